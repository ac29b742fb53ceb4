# SPDX-License-Identifier: GPL-2.0-only
"""The benchmarks: what is made of samples, and that each guest program works.

The first part tests the arithmetic and the tables with made-up samples. The
second runs every guest program in its shortest form (--smoke) in a guest: the
figures say nothing there, but each must be one, for each metric.
"""
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "bench"
sys.path.insert(0, str(BENCH))

import bench  # noqa: E402
import hostcalls  # noqa: E402
import hostload  # noqa: E402
import metrics  # noqa: E402
import processmemory  # noqa: E402
from metrics import METRICS, Sample, Summary  # noqa: E402

PROGRAMS = sorted({m.program for m in METRICS} - set(metrics.HOST_PROGRAMS))


def samples(metric: str, stock: list[float], ours: list[float],
            placement: str = "free") -> list[Sample]:
    """Rounds 1, 2, ... of both kernels."""
    return [Sample(target, placement, number, metric, value)
            for target, values in (("stock", stock), ("ours", ours))
            for number, value in enumerate(values, start=1)]


# --- lines of the guest programs --------------------------------------------

def test_a_line_is_parsed():
    assert metrics.parse_line("fork_exit 590.25 us\n") == ("fork_exit", 590.25)


@pytest.mark.parametrize("line", ["", "hello", "fork_exit 590.25",
                                  "no_such_metric 1.0 us", "a b c d"])
def test_other_lines_are_not_figures(line):
    assert metrics.parse_line(line) is None


@pytest.mark.parametrize("line", ["fork_exit nan us", "fork_exit inf us",
                                  "fork_exit 0 us", "fork_exit -1 us",
                                  "fork_exit x us", "fork_exit 1 ms"])
def test_what_cannot_be_a_figure_is_an_error(line):
    with pytest.raises(ValueError):
        metrics.parse_line(line)


# --- medians and ratios -----------------------------------------------------

def test_summary_has_median_extremes_and_count():
    assert metrics.summarise([5, 1, 9]) == Summary(5, 1, 9, 3)
    assert metrics.summarise([1, 2]) == Summary(1.5, 1, 2, 2)
    assert metrics.summarise([]) is None


def test_ratio_is_taken_within_each_round():
    # the second round ran on a machine ten times slower: the ratio stands
    found = metrics.ratio(samples("fork_exit", [20, 300, 40], [10, 100, 10]),
                          "free", "fork_exit")
    assert found == Summary(3, 2, 4, 3)


def test_ratio_above_one_means_ours_is_faster():
    found = metrics.ratio(samples("fork_exit", [20], [10]), "free", "fork_exit")
    assert found is not None and found.median == 2


def test_ratio_uses_rounds_that_have_both_and_only_its_placement():
    mixed = (samples("fork_exit", [20, 90], [10])
             + samples("fork_exit", [1], [1], "pinned")
             + samples("fork_exec", [7], [1]))
    assert metrics.ratio(mixed, "free", "fork_exit") == Summary(2, 2, 2, 1)
    assert metrics.ratio(samples("fork_exit", [20], []), "free",
                         "fork_exit") is None


# --- bars -------------------------------------------------------------------

def verdict(demand: str, given: list[Sample],
            vmalloc_calls: float | None = None) -> bool | None:
    """What bars() says of the one demand that starts so."""
    programs = [m.program for m in METRICS]
    found = [b for b in metrics.bars(given, ["free"], programs, vmalloc_calls)
             if b.demand.startswith(demand)]
    assert len(found) == 1
    return found[0].met


@pytest.mark.parametrize("metric, stock, met", [
    ("fork_exit", 0.95, True), ("fork_exit", 0.94, False),
    ("fork_256m_frag", 3.0, True), ("fork_256m_frag", 2.9, False),
    ("dd_ubd", 1.1, True), ("dd_ubd", 1.0, False)])
def test_ratio_bars(metric, stock, met):
    assert verdict(f"{metric} free", samples(metric, [stock], [1.0])) is met


def test_a_placement_can_have_a_bar_of_its_own():
    fork = {m.name: m for m in METRICS}["fork_exit"]
    assert (fork.least("free"), fork.least("pinned")) == (0.95, 2.9)


def test_best_bar_compares_the_better_placements():
    def best(ours_pinned: float) -> metrics.Bar:
        given = [Sample(target, placement, 0, "fork_exit", value)
                 for target, placement, value in (
                     ("stock", "free", 9), ("stock", "pinned", 4.2),
                     ("ours", "free", 2), ("ours", "pinned", ours_pinned))]
        return next(b for b in metrics.bars(given, ["free", "pinned"],
                                            ["bench_fork"], None)
                    if b.demand.startswith("fork_exit best"))

    assert best(1).met is True
    assert best(1.1).met is False


def test_mremap_bar_compares_ours_with_itself():
    near = samples("mremap_0m", [1], [100])
    assert verdict("mremap free", near + samples("mremap_256m", [9], [110])) is True
    assert verdict("mremap free", near + samples("mremap_256m", [1], [111])) is False


def test_memory_bar_is_a_difference():
    least = samples("process_memory", [100], [164])
    assert verdict("process_memory free", least) is True
    more = samples("process_memory", [100, 100], [165, 166])
    assert verdict("process_memory free", more) is False
    assert verdict("process_memory free", []) is None


def test_vmalloc_bar_counts_host_calls():
    assert verdict("vmalloc_1000: host", [], 8.0) is True
    assert verdict("vmalloc_1000: host", [], 8.1) is False


def test_what_was_not_measured_is_not_met_either():
    assert verdict("fork_exit free", []) is None
    assert verdict("mremap free", []) is None
    assert verdict("vmalloc_1000: host", []) is None
    rows = metrics.bars_table(metrics.bars([], ["free"], ["bench_pipe"], None))
    assert [row[2] for row in rows] == ["verdict", "unknown", "unknown"]


# --- tables -----------------------------------------------------------------

def test_figures_table_has_a_column_for_what_was_measured():
    given = (samples("fork_exit", [600, 610, 620], [100, 100, 100])
             + [Sample("native", "free", 1, "fork_exit", 95.5)])
    assert metrics.figures_table(given) == [
        ["metric", "unit", "stock free", "ours free", "stock/ours free",
         "native free"],
        ["fork_exit", "us", "610", "100", "6.10 (6.00..6.20)", "95.5"]]


def test_figures_table_shows_holes():
    given = samples("fork_exit", [600], []) + samples("fork_exec", [9], [3])
    assert metrics.figures_table(given)[1:] == [
        ["fork_exit", "us", "600", "-", "-"],
        ["fork_exec", "us", "9.00", "3.00", "3.00 (3.00..3.00)"]]


@pytest.mark.parametrize("value, text", [
    (1234.5, "1234"), (99.96, "100"), (12.345, "12.3"), (1.2345, "1.23"),
    (0.012345, "0.0123")])
def test_figures_have_three_digits(value, text):
    assert metrics.figure(value) == text


def test_text_aligns_figures_right_and_words_left():
    rows = [["name", "us", "note"], ["a", "10", "x"], ["bcd", "9.5", "yy"]]
    assert metrics.as_text(rows) == ("name   us  note\n"
                                     "a      10  x\n"
                                     "bcd   9.5  yy\n")


def test_markdown_table():
    assert metrics.as_markdown([["name", "us"], ["a", "10"]]) == (
        "| name | us |\n|---|---:|\n| a | 10 |\n")


# --- host calls and load ----------------------------------------------------

REPORT = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.128847           5     21695           mmap
 40.00    0.040654           8      4904       451 futex
------ ----------- ----------- --------- --------- ----------------
100.00    0.169501           6     26599       451 total
"""


def test_strace_report_is_parsed():
    assert hostcalls.parse_report(REPORT) == {"mmap": 21695, "futex": 4904}


def test_report_without_a_table_is_an_error():
    with pytest.raises(ValueError):
        hostcalls.parse_report("strace: exec: No such file or directory\n")


def test_share_of_one_operation_is_the_difference():
    shares = hostcalls.per_operation({"mmap": 1100, "brk": 3, "read": 50},
                                     {"mmap": 2100, "brk": 3, "poll": 10}, 10)
    assert shares == {"brk": 0, "mmap": 100, "poll": 1, "read": -5}
    assert set(hostcalls.OPERATIONS) <= {m.name for m in METRICS}


def test_calls_table_has_total_and_main_calls():
    calls = {"ours": {"vmalloc_1000": {"mmap": 2.0, "munmap": 3.04, "read": 0.1}}}
    assert metrics.calls_table(calls)[1:] == [
        ["vmalloc_1000", "ours", "5.1", "munmap 3.0, mmap 2.0"]]


def test_load_of_others_is_busy_and_stolen_less_own():
    stat = "cpu  100 0 50 999 9 10 40 20 0 0\ncpu0 1 1 1\n"
    assert hostload.parse_stat(stat, 100) == (2.0, 0.2)
    before = hostload.Reading(clock=0, busy=0, own=0, steal=0)
    after = hostload.Reading(clock=10, busy=15, own=12, steal=1)
    assert hostload.others_percent(before, after, 2) == 20


# --- memory of processes ----------------------------------------------------

def test_memory_of_processes_is_found():
    assert processmemory.kib("Rss:   5 kB\nPss:     12 kB\n", "Pss") == 12
    assert processmemory.kib("Pss_Anon:     12 kB\n", "Pss") == 0
    with subprocess.Popen(["sh", "-c", "sleep 60; :"]) as shell:
        while not (children := processmemory.descendants(shell.pid)):
            pass
        assert processmemory.held(shell.pid) > 0
        os.kill(children[0], signal.SIGTERM)
    assert len(children) == 1


# --- the script of a pass ---------------------------------------------------

def test_script_runs_on_after_a_failure_and_reports_it(tmp_path):
    for name, body in (("bench_fork", "echo fork_exit 1 us; exit 3"),
                       ("bench_pipe", "echo pipe_pingpong 2 us")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    script = bench.pass_script(tmp_path, ["bench_fork", "bench_pipe", "boot"], False)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True,
                          check=False)
    assert done.stdout == "fork_exit 1 us\npipe_pingpong 2 us\n"
    assert done.returncode == 1


def test_native_script_leaves_out_what_means_nothing_there():
    script = bench.pass_script("/x", ["bench_vmalloc", "bench_dd"], True)
    assert "bench_vmalloc" not in script and "dd_ubd" not in script
    assert "/x/bench_dd dd_tmpfs_write dd_tmpfs_read || bad=1" in script


def test_unknown_program_is_named():
    with pytest.raises(bench.BenchError, match="no such guest program: frok"):
        bench.chosen_programs("fork,frok")
    assert bench.chosen_programs("map,boot") == ["bench_map", "boot"]


def test_missing_kernel_is_named_with_its_make_target(tmp_path):
    done = subprocess.run(
        [str(BENCH / "bench.py"), "--ours", str(tmp_path / "linux")],
        capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"bench: {tmp_path / 'linux'} is missing: make\n"


# --- the programs in a guest ------------------------------------------------

@pytest.fixture(name="disk", scope="module")
def small_disk(tmp_path_factory):
    """Just what dd_ubd reads."""
    path = tmp_path_factory.mktemp("bench") / "disk.img"
    with path.open("wb") as disk:
        os.truncate(disk.fileno(), bench.DISK_MIB << 20)
    return path


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_prints_a_figure_for_every_metric(guest, disk, program):
    done = guest.run([f"{bench.GUEST_PROGRAMS}/{program}", "--smoke"],
                     append=f"ubd1r={disk}")
    assert done.code == 0, done.err
    found = [metrics.parse_line(line) for line in done.out.splitlines()]
    assert None not in found, done.out
    assert [f[0] for f in found if f] == [m.name for m in METRICS
                                          if m.program == program]


def test_program_fails_when_its_work_fails(guest):
    done = guest.run([f"{bench.GUEST_PROGRAMS}/bench_dd", "--smoke", "dd_ubd"])
    assert done.code == 1
    assert "/dev/ubdb" in done.err and not done.out
