# SPDX-License-Identifier: GPL-2.0-only
"""The metrics, and what is made of their samples: medians, ratios, tables.

Pure logic: nothing here runs a program or reads a file. A Sample is one figure
of one run; smaller is better for every metric. `summarise` gives median and
spread, `ratio` compares two targets round by round, `figures_table` and
`bars_table` lay both out as rows of text, which `as_text` and `as_markdown`
print.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Iterable, Mapping, Sequence

PLACEMENTS = ("free", "pinned")


@dataclass(frozen=True)
class Metric:
    """One line of the table.

    program: the guest program that prints it; "boot" and "memory" are measured on
             the host.
    native:  it means the same when the program runs on the host or in gVisor.
    bar:     the least ratio stock/ours that is wanted in every placement, 0 if
             the demand is another one;
    pinned:  when pinned, if that is more;
    best:    of stock's better placement to our better one, if there is a bar.
    """

    name: str
    unit: str
    program: str
    native: bool = True
    bar: float = 0.95
    pinned: float | None = None
    best: float | None = None

    def least(self, placement: str) -> float:
        """The bar in this placement."""
        if placement == "pinned" and self.pinned is not None:
            return self.pinned
        return self.bar


METRICS: tuple[Metric, ...] = (
    Metric("syscall_null", "us", "bench_syscall", pinned=1.3, best=2.9),
    Metric("pipe_pingpong", "us", "bench_pipe", pinned=1.2, best=2.2),
    Metric("fork_exit", "us", "bench_fork", pinned=2.9, best=4.2),
    Metric("vfork_exit", "us", "bench_fork", pinned=3, best=10),
    Metric("fork_exec", "us", "bench_fork", pinned=2, best=2.9),
    Metric("fork_16m", "us", "bench_forkmem", pinned=2.6, best=3.2),
    Metric("fork_16m_frag", "us", "bench_forkmem"),
    Metric("fork_read_16m", "us", "bench_forkmem"),
    Metric("fork_rewrite_16m", "us", "bench_forkmem", pinned=7, best=8),
    Metric("fork_256m", "us", "bench_forkmem"),
    Metric("fork_256m_frag", "us", "bench_forkmem", bar=3.0),
    Metric("fault_seq", "us/page", "bench_fault", pinned=7, best=8),
    Metric("fault_random", "us/page", "bench_fault", pinned=1.2, best=1.8),
    Metric("fault_file_disk", "us/page", "bench_fault"),
    Metric("fault_file_tmpfs", "us/page", "bench_fault"),
    Metric("mprotect_16m", "us", "bench_map", pinned=1.5, best=1.8),
    Metric("mprotect_16m_write", "us", "bench_map"),
    Metric("munmap_16m", "us", "bench_map", pinned=1, best=1),
    Metric("mremap_0m", "us", "bench_map"),
    Metric("mremap_256m", "us", "bench_map"),
    Metric("vmalloc_1000", "us", "bench_vmalloc", native=False),
    Metric("dd_ubd", "us/MiB", "bench_dd", native=False, bar=1.1),
    # Both kernels copy at the native speed of the host: there is no 1.1.
    Metric("dd_tmpfs_write", "us/MiB", "bench_dd"),
    Metric("dd_tmpfs_read", "us/MiB", "bench_dd"),
    Metric("shell_build", "us", "bench_shell", pinned=1.8, best=2.5),
    Metric("busy_8", "us", "bench_busy", bar=1),
    Metric("boot_first_output", "ms", "boot", native=False),
    Metric("boot_and_halt", "ms", "boot", native=False),
    Metric("process_memory", "KiB", "memory", native=False, bar=0),
)

# Measured by bench.py itself
HOST_PROGRAMS = ("boot", "memory")

# mremap over resident memory may be this much slower than over none
MREMAP_BAR = 1.10
# KiB of host memory that a guest process of ours may take more than one of stock
MEMORY_BAR = 64
# host system calls for one vmalloc and vfree of 1000 contiguous pages
VMALLOC_CALLS_BAR = 8


@dataclass(frozen=True)
class Sample:
    """One figure: who (target), where (placement), when (round), what."""

    target: str
    placement: str
    round: int
    metric: str
    value: float


@dataclass(frozen=True)
class Summary:
    """Median, extremes and number of the samples of one metric."""

    median: float
    low: float
    high: float
    count: int


def parse_line(line: str) -> tuple[str, float] | None:
    """The (name, value) of one line of a guest program's output.

    None for a line of another shape, or a name that is no metric. A value
    that cannot be a measured time, or another unit than the metric's, is an
    error: ValueError.
    """
    words = line.split()
    if len(words) != 3:
        return None
    metric = {m.name: m for m in METRICS}.get(words[0])
    if metric is None:
        return None
    value = float(words[1])
    if not math.isfinite(value) or value <= 0 or words[2] != metric.unit:
        raise ValueError(f"not a figure in {metric.unit}: {line.strip()}")
    return metric.name, value


def values(samples: Iterable[Sample], target: str, placement: str,
           metric: str) -> list[float]:
    """The samples of one metric on one target, in the order they came."""
    return [s.value for s in samples
            if (s.target, s.placement, s.metric) == (target, placement, metric)]


def summarise(figures: Sequence[float]) -> Summary | None:
    """None if there are no figures."""
    if not figures:
        return None
    return Summary(statistics.median(figures), min(figures), max(figures),
                   len(figures))


def ratio(samples: Iterable[Sample], placement: str, metric: str,
          rival: str = "stock", own: str = "ours") -> Summary | None:
    """How many times faster own is than rival, over the rounds.

    A round runs both next to each other, so its ratio stands even where the
    machine was slower in one round than in another. Median and extremes are
    those of the rounds' ratios; None if no round has both.
    """
    by_round: dict[int, dict[str, float]] = {}
    for s in samples:
        if (s.placement, s.metric) == (placement, metric):
            by_round.setdefault(s.round, {})[s.target] = s.value
    return summarise([r[rival] / r[own] for r in by_round.values()
                      if rival in r and own in r])


def figure(value: float) -> str:
    """At least three significant digits, without an exponent."""
    if value < 100:
        value = float(f"{value:.3g}")
    digits = 2 - math.floor(math.log10(value))
    return f"{value:.{max(0, digits)}f}"


def _median_cell(samples: Sequence[Sample], target: str, placement: str,
                 metric: str) -> str:
    summary = summarise(values(samples, target, placement, metric))
    return figure(summary.median) if summary else "-"


def _spread_cell(summary: Summary | None) -> str:
    if summary is None:
        return "-"
    return f"{summary.median:.2f} ({summary.low:.2f}..{summary.high:.2f})"


def figures_table(samples: Sequence[Sample]) -> list[list[str]]:
    """Header and one row for each metric that has a sample.

    Medians, and ratio stock/ours with its extremes over the rounds; the other
    targets have a column where they have samples.
    """
    present = {(s.target, s.placement) for s in samples}
    measured = {s.metric for s in samples}
    shown = [p for p in PLACEMENTS if {("stock", p), ("ours", p)} & present]
    others = [(t, p) for t in ("native", "gvisor") for p in PLACEMENTS
              if (t, p) in present]
    header = ["metric", "unit"]
    for placement in shown:
        header += [f"stock {placement}", f"ours {placement}",
                   f"stock/ours {placement}"]
    header += [f"{t} {p}" for t, p in others]
    rows = [header]
    for metric in METRICS:
        if metric.name not in measured:
            continue
        row = [metric.name, metric.unit]
        for placement in shown:
            row += [_median_cell(samples, "stock", placement, metric.name),
                    _median_cell(samples, "ours", placement, metric.name),
                    _spread_cell(ratio(samples, placement, metric.name))]
        row += [_median_cell(samples, t, p, metric.name) for t, p in others]
        rows.append(row)
    return rows


@dataclass(frozen=True)
class Bar:
    """One demand, what was measured, and whether it is met (None: unknown)."""

    demand: str
    measured: str
    met: bool | None


def _ratio_bar(samples: Sequence[Sample], metric: Metric,
               placement: str) -> Bar:
    least = metric.least(placement)
    demand = f"{metric.name} {placement}: stock/ours >= {least:g}"
    found = ratio(samples, placement, metric.name)
    if found is None:
        return Bar(demand, "-", None)
    return Bar(demand, f"{found.median:.3f}", found.median >= least)


def _best(samples: Sequence[Sample], target: str,
          metric: Metric) -> float | None:
    """The median of the better placement; None unless both were measured."""
    medians = [summarise(values(samples, target, p, metric.name))
               for p in PLACEMENTS]
    found = [m.median for m in medians if m is not None]
    return min(found) if len(found) == len(medians) else None


def _best_bar(samples: Sequence[Sample], metric: Metric) -> Bar:
    demand = f"{metric.name} best: stock/ours >= {metric.best:g}"
    stock = _best(samples, "stock", metric)
    ours = _best(samples, "ours", metric)
    if stock is None or ours is None or metric.best is None:
        return Bar(demand, "-", None)
    return Bar(demand, f"{stock / ours:.3f}", stock / ours >= metric.best)


def _mremap_bar(samples: Sequence[Sample], placement: str) -> Bar:
    demand = (f"mremap {placement}: ours, 256 MiB / 0 MiB between"
              f" <= {MREMAP_BAR:.2f}")
    near = values(samples, "ours", placement, "mremap_0m")
    far = values(samples, "ours", placement, "mremap_256m")
    slower = summarise([f / n for f, n in zip(far, near)])
    if slower is None:
        return Bar(demand, "-", None)
    return Bar(demand, f"{slower.median:.3f}", slower.median <= MREMAP_BAR)


def _memory_bar(samples: Sequence[Sample], placement: str) -> Bar:
    demand = (f"process_memory {placement}: ours - stock <= {MEMORY_BAR} KiB")
    more = summarise([o - s for o, s in zip(
        values(samples, "ours", placement, "process_memory"),
        values(samples, "stock", placement, "process_memory"))])
    if more is None:
        return Bar(demand, "-", None)
    return Bar(demand, f"{more.median:.1f}", more.median <= MEMORY_BAR)


def bars(samples: Sequence[Sample], placements: Sequence[str],
         programs: Sequence[str], vmalloc_calls: float | None) -> list[Bar]:
    """Every demand on what was to be measured.

    vmalloc_calls: our host calls per vmalloc and vfree; None if not counted.
    """
    found = [_ratio_bar(samples, m, p) for m in METRICS
             if m.program in programs and m.bar for p in placements]
    if len(placements) == len(PLACEMENTS):
        found += [_best_bar(samples, m) for m in METRICS
                  if m.program in programs and m.best is not None]
    if "bench_map" in programs:
        found += [_mremap_bar(samples, p) for p in placements]
    if "memory" in programs:
        found += [_memory_bar(samples, p) for p in placements]
    demand = f"vmalloc_1000: host calls of ours <= {VMALLOC_CALLS_BAR}"
    if vmalloc_calls is None:
        found.append(Bar(demand, "- (--strace counts them)", None))
    else:
        found.append(Bar(demand, f"{vmalloc_calls:.1f}",
                         vmalloc_calls <= VMALLOC_CALLS_BAR))
    return found


def bars_table(found: Sequence[Bar]) -> list[list[str]]:
    """Header and one row for each demand."""
    words = {True: "met", False: "NOT MET", None: "unknown"}
    return [["bar", "measured", "verdict"],
            *([b.demand, b.measured, words[b.met]] for b in found)]


def calls_table(calls: Mapping[str, Mapping[str, Mapping[str, float]]],
                ) -> list[list[str]]:
    """Host calls per operation, [target][metric][call], as rows: the total
    and the calls that make up nearly all of it."""
    rows = [["operation", "target", "host calls", "of these"]]
    for metric in METRICS:
        for target, counted in calls.items():
            if metric.name not in counted:
                continue
            by_size = sorted(counted[metric.name].items(),
                             key=lambda item: -item[1])
            total = sum(counted[metric.name].values())
            main = [f"{name} {count:.1f}" for name, count in by_size
                    if count >= 0.5]
            rows.append([metric.name, target, f"{total:.1f}",
                         ", ".join(main[:8])])
    return rows


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with blanks: the first to the left, figures right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(w) if i == 0 or not _is_figure(rows, i)
                 else cell.rjust(w)
                 for i, (cell, w) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def _is_figure(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Every cell but the header's starts as a number does, or is empty."""
    return all(row[column][:1] in tuple("0123456789-") for row in rows[1:])


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """The same table for the documents."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    rule = ["---:" if _is_figure(rows, i) and i else "---"
            for i in range(len(rows[0]))]
    lines.insert(1, "|" + "|".join(rule) + "|")
    return "\n".join(lines) + "\n"
