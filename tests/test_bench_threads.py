# SPDX-License-Identifier: GPL-2.0-only
"""bench/threads.py: what is made of figures, and that the program prints them all."""
import sys
from pathlib import Path

import pytest
from conftest import REPO

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import documents  # noqa: E402
import threads  # noqa: E402
import vas  # noqa: E402


def some_figures(**others: float) -> vas.Figures:
    """10 us each, but for others."""
    names = {name for row in threads.ROWS for name in (row.own, row.rival)}
    return {name: 10.0 for name in names} | others


def test_two_threads_are_to_take_as_long_as_one() -> None:
    row = threads.ROWS[0]
    assert row.holds(row.ratio(some_figures(**{"with threads_compute_2": 11.0})))
    assert not row.holds(row.ratio(some_figures(**{"with threads_compute_2": 11.2})))


def test_faults_are_to_be_twice_as_many() -> None:
    row = next(row for row in threads.ROWS if row.own == "with vma_fault_10_10")
    assert row.holds(row.ratio(some_figures(**{row.own: 5.0})))
    assert not row.holds(row.ratio(some_figures(**{row.own: 5.1})))


def test_events_are_told_from_figures() -> None:
    lines, events = threads.split(["threads_create 5 us", "vma_lock_abort 7"])
    assert lines == ["threads_create 5 us"] and events == {"vma_lock_abort": 7}


def test_the_table_goes_into_the_documents(tmp_path: Path) -> None:
    result = tmp_path / "threads-1.json"
    result.write_text('{"rounds": [' + str(some_figures()).replace("'", '"') + "]}")
    text = (REPO / "Documentation/performance.rst").read_text()
    filled = documents.between_marks(text, "threads", documents.threads_block(result))
    assert "computing, for each of two threads" in filled


@pytest.mark.parametrize("guest", [("seccomp", 2)], ids=["seccomp-2cpu"], indirect=True)
def test_the_program_prints_what_is_wanted(guest) -> None:
    """One shortest run of everything."""
    done = guest.run(["sh", "-ec", "set -- --smoke; " + threads.SCRIPT])
    assert done.code == 0, done.err
    lines, events = threads.split(done.out.splitlines())
    assert set(vas.parse(lines)) == threads.wanted()
    assert events["vma_lock_success"] > 0
