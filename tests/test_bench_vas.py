# SPDX-License-Identifier: GPL-2.0-only
"""bench/vas.py: what is made of figures, and that the programs print them all."""
import json
import sys
from pathlib import Path

import pytest
from conftest import REPO

sys.path.insert(0, str(REPO / "bench"))

import documents  # noqa: E402
import vas  # noqa: E402


def some_figures(**others: float) -> vas.Figures:
    """10 us each, but for others."""
    return {name: 10.0 for name in vas.wanted()} | others


def test_a_ratio_says_how_much_faster_own_is() -> None:
    row = vas.Row("x", "own", "rival", 4)
    assert row.ratio({"own": 2.0, "rival": 10.0}) == 5
    assert row.holds(4) and not row.holds(3.9)


def test_a_ratio_that_is_to_be_small_is_the_other_way_round() -> None:
    row = vas.Row("x", "own", "rival", 1.3, True)
    assert row.ratio({"own": 12.0, "rival": 10.0}) == 1.2
    assert row.holds(1.3) and not row.holds(1.31)


def test_a_series_is_judged_by_its_ends() -> None:
    row = vas.Series("s", (1, 8, 512), "MiB").row()
    assert (row.own, row.rival, row.bar) == ("s_512", "s_1", 1.1)


def test_the_table_has_the_median_of_the_rounds() -> None:
    rounds = {"free": [some_figures(vas_switch=own) for own in (12.0, 20.0, 11.0)]}
    row = next(r for r in vas.table(rounds) if r[0].startswith("switch against null"))
    assert row == ["switch against null system calls", "free", "12.0", "10.0",
                   "1.20 (1.10..2.00)", "<= 1.3", "met"]


def test_what_is_not_met_is_said() -> None:
    rows = vas.table({"free": [some_figures(vas_switch=20.0)]})
    missed = vas.not_met(rows)
    assert "switch against null system calls (free)" in missed
    assert "vas_switch_size: 512 MiB resident against 1 (free)" not in missed


def test_the_table_goes_into_the_documents(tmp_path: Path) -> None:
    result = tmp_path / "vas-1.json"
    result.write_text(json.dumps({"rounds": {"free": [some_figures()]}}))
    text = (REPO / "Documentation/performance.rst").read_text()
    filled = documents.between_marks(text, "address spaces", documents.spaces_block(result))
    assert "switch against null system calls" in filled
    assert filled.count("address spaces: ") == 2


@pytest.mark.parametrize("line", ["vas_switch 0 us", "vas_switch 1 ms", "vas_switch x us"])
def test_what_is_no_figure_is_an_error(line: str) -> None:
    with pytest.raises(ValueError):
        vas.parse([line])


def test_the_programs_print_what_is_wanted(guest) -> None:
    """One shortest run of everything."""
    done = guest.run(["sh", "-ec", "\n".join(f"{p} --smoke" for p in vas.PROGRAMS)])
    assert done.code == 0, done.err
    assert set(vas.parse(done.out.splitlines())) == vas.wanted()
