#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Threads of one process on two CPUs, and per-VMA locks, side by side.

    bench/threads.py [--rounds N]

Our kernel, and our kernel without per-VMA locks, with two CPUs each, which the
host places freely, and the host itself, which tells whether it had two CPUs for
two threads just then. A round is a boot of each; a ratio is made round by round,
and its median and extremes are printed. All figures are kept in
build/bench/threads-*.json, the table as Markdown in build/bench/threads.md.
"""

from __future__ import annotations

import argparse
import sys

import bench
import vas
from vas import Figures, Row

PROGRAM = "bench_threads"
SCRIPT = f"{PROGRAM} $*; grep '^vma_lock' /proc/vmstat"
TIMEOUT_S = 300
KERNELS = {"with": bench.REPO / "linux",
           "without": bench.REPO / "build/no-vma-lock/linux"}
SHAPES = ("2_10", "10_2", "10_10", "30_30")

# Two threads do twice the work of one, so their time for each is that of one.
ROWS = (
    Row("computing, for each of two threads against one", "with threads_compute_2",
        "with threads_compute_1", 2 / 1.8, True),
    Row("the same on the host, without a guest", "native threads_compute_2",
        "native threads_compute_1", 2 / 1.8, True),
    Row("touching own memory, for each of two threads against one", "with threads_touch_2",
        "with threads_touch_1", 2 / 1.6, True),
    Row("the same on the host, without a guest", "native threads_touch_2",
        "native threads_touch_1", 2 / 1.6, True),
    *(Row(f"faults in {shape.replace('_', ' VMAs of ')} pages, per-VMA locks against none",
          f"with vma_fault_{shape}", f"without vma_fault_{shape}",
          2 if shape == "10_10" else 1) for shape in SHAPES),
    Row("the same, against nobody who maps, without per-VMA locks", "without vma_alone_10_10",
        "without vma_fault_10_10", 1),
    Row("mmap and munmap beside faults, per-VMA locks against none", "with vma_map_10_10",
        "without vma_map_10_10", 1),
    Row("sleep of a fault, per-VMA locks against none", "with vma_sleep_10_10",
        "without vma_sleep_10_10", 1),
    Row("faults that the VMA's lock was not enough for", "failed", "tried", 0.05, True),
)


def split(lines: list[str]) -> tuple[list[str], dict[str, int]]:
    """Figures, and the events of /proc/vmstat."""
    events = {line.split()[0]: int(line.split()[1]) for line in lines
              if line.startswith("vma_lock_")}
    return [line for line in lines if not line.startswith("vma_lock_")], events


def wanted() -> set[str]:
    """The names that the program prints."""
    return {name.split()[1] for row in ROWS for name in (row.own, row.rival)
            if " " in name} | {"threads_create"}


def measure_native() -> Figures:
    """The program on the host."""
    program = str(bench.REPO / "build/guest" / PROGRAM)
    metrics = sorted(name.removeprefix("native ") for row in ROWS
                     for name in (row.own, row.rival) if name.startswith("native "))
    status: list[int] = []
    found = vas.parse(list(bench.lines_of([program, *metrics], "free", status)))
    if status != [0] or sorted(found) != metrics:
        sys.exit(f"threads: {program}: status {status}, {found}")
    return {f"native {metric}": value for metric, value in found.items()}


def measure(name: str) -> Figures:
    """One boot of a kernel; its figures are called by its name, too."""
    command = [str(bench.REPO / "uml"), "run", "--kernel", str(KERNELS[name]),
               "--cpus", "2", "--mem", bench.MEMORY, "--timeout", str(TIMEOUT_S),
               "--", "sh", "-ec", SCRIPT]
    status: list[int] = []
    lines, events = split(list(bench.lines_of(command, "free", status)))
    found = vas.parse(lines)
    if status != [0 if name == "with" else 1] or wanted() - set(found):
        sys.exit(f"threads: {PROGRAM} on {KERNELS[name]}: status {status}, {lines}")
    figures = {f"{name} {metric}": value for metric, value in found.items()}
    if name == "with":
        figures["failed"] = float(events["vma_lock_abort"] + events["vma_lock_retry"])
        figures["tried"] = figures["failed"] + events["vma_lock_success"]
    return figures


def main() -> None:
    """Run the rounds, print and keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    bench.RESULTS.mkdir(parents=True, exist_ok=True)
    rounds = [measure_native() | measure("with") | measure("without")
              for _ in range(args.rounds)]

    vas.conclude("threads", vas.table({"free": rounds}, ROWS), {"rounds": rounds})


if __name__ == "__main__":
    main()
