#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""First-class address spaces and their rivals, on our kernel, side by side.

    bench/vas.py [--rounds N] [--placement free|pinned|both] [--mode MODE] [--kernel FILE]

Stock UML has no such thing, so the rivals are what does the same work without
it. A round is one boot for each program and placement, which measures a figure
right after its rival's; a ratio is made round by round, and its median and
extremes are printed. All figures are kept in build/bench/vas-*.json, the table
as Markdown in build/bench/vas.md, the figures that should not depend on a size
are drawn in build/bench/vas.png and vas.svg. The exit status is 1 if a bar is
not met.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from metrics import PLACEMENTS, as_markdown, as_text, figure

PROGRAMS = ("bench_vas", "bench_vas_data")
TIMEOUT_S = 300
NOT_MET = "NOT MET"

Figures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """rival divided by own, or own by rival where that is to be small."""

    what: str
    own: str
    rival: str
    bar: float
    at_most: bool = False

    def ratio(self, figures: Figures) -> float:
        """Of one round."""
        if self.at_most:
            return figures[self.own] / figures[self.rival]
        return figures[self.rival] / figures[self.own]

    def holds(self, ratio: float) -> bool:
        """Whether the bar is reached."""
        return ratio <= self.bar if self.at_most else ratio >= self.bar


@dataclass(frozen=True)
class Series:
    """A figure that is measured at several sizes, which its name ends with."""

    prefix: str
    sizes: tuple[int, ...]
    unit: str
    flat: bool = True

    def names(self) -> list[str]:
        """Of the figures, the smallest size first."""
        return [f"{self.prefix}_{size}" for size in self.sizes]

    def row(self) -> Row:
        """The largest against the smallest."""
        names = self.names()
        return Row(f"{self.prefix}: {self.sizes[-1]} {self.unit} against {self.sizes[0]}",
                   names[-1], names[0], 1.1, True)


SERIES = (
    Series("vas_switch_size", (1, 8, 64, 512), "MiB resident"),
    Series("vas_switch_regions", (1, 10, 100, 1000), "regions"),
    Series("vas_switch_attached", (1, 10, 100, 500), "attached"),
    Series("vas_attach_size", (1, 8, 64, 512), "MiB resident"),
    Series("vas_attach_regions", (1, 10, 100, 1000), "regions"),
    Series("vas_first_regions", (1, 10, 100, 1000), "regions", flat=False),
    Series("vas_create_size", (1, 8, 64, 512), "MiB resident"),
    Series("vas_create_attached", (1, 10, 100, 500), "attached"),
    Series("vas_fork_size", (1, 8, 64, 512), "MiB resident", flat=False),
)

ROWS = (
    Row("switch against null system calls", "vas_switch", "vas_switch_null", 1.3, True),
    Row("switch against processes and pipes", "vas_switch", "vas_switch_pipe", 4),
    Row("switch against mmap of a memfd", "vas_switch", "vas_switch_memfd", 1),
    Row("create against fork and exit", "vas_create", "vas_create_fork", 7),
    Row("create against as many null calls", "vas_create", "vas_create_null", 2, True),
    *(series.row() for series in SERIES if series.flat),
    *(Row(f"updates, {parts} parts, against {rival}", f"vas_gups_switch_{parts}",
          f"vas_gups_{rival}_{parts}", 1)
      for parts in (1, 8, 64) for rival in ("process", "remap")),
    Row("shared index against a server", "vas_index_segment", "vas_index_socket", 1),
)


def wanted() -> set[str]:
    """The names of all figures."""
    return ({name for row in ROWS for name in (row.own, row.rival)}
            | {name for series in SERIES for name in series.names()})


def parse(lines: list[str]) -> Figures:
    """Figures by name; ValueError if one is missing or is no time."""
    found = {}
    for line in lines:
        name, value, unit = line.split()
        if unit != "us" or not float(value) > 0:
            raise ValueError(f"not a figure: {line.strip()}")
        found[name] = float(value)
    return found


def one_round(args: argparse.Namespace, placement: str) -> Figures:
    """Both programs, each in a guest of its own."""
    found: Figures = {}
    for program in PROGRAMS:
        command = [str(bench.REPO / "uml"), "run", "--kernel", str(args.kernel.resolve()),
                   "--mode", args.mode, "--mem", bench.MEMORY,
                   "--timeout", str(TIMEOUT_S), "--", program]
        status: list[int] = []
        found |= parse(list(bench.lines_of(command, placement, status)))
        if status != [0]:
            sys.exit(f"vas: {program} ended with status {status[0]}")
    missing = wanted() - set(found)
    if missing:
        sys.exit(f"vas: no figures of {' '.join(sorted(missing))}")
    return found


def not_met(rows: list[list[str]]) -> list[str]:
    """The demands of a table that do not hold, with their placement."""
    return [f"{what} ({placement})"
            for what, placement, *_, verdict in rows if verdict == NOT_MET]


def table(rounds: dict[str, list[Figures]],
          demands: tuple[Row, ...] = ROWS) -> list[list[str]]:
    """Header, and a row for each demand and placement."""
    rows = [["", "placement", "own, us", "rival, us", "ratio", "bar", "verdict"]]
    for row in demands:
        for placement, found in rounds.items():
            ratios = sorted(row.ratio(figures) for figures in found)
            ratio = statistics.median(ratios)
            own, rival = (figure(statistics.median(f[name] for f in found))
                          for name in (row.own, row.rival))
            rows.append([row.what, placement, own, rival,
                         f"{ratio:.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})",
                         f"{'<=' if row.at_most else '>='} {row.bar:g}",
                         "met" if row.holds(ratio) else NOT_MET])
    return rows


def conclude(name: str, rows: list[list[str]], figures: dict[str, Any]) -> None:
    """Print the table, keep it and all figures; exit with status 1 if a bar is not met."""
    print(as_text(rows), end="")
    path = bench.RESULTS / time.strftime(f"{name}-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(json.dumps({"host_cpu": bench.host_cpu()} | figures, indent=1) + "\n",
                    encoding="utf-8")
    markdown = bench.RESULTS / f"{name}.md"
    markdown.write_text(as_markdown(rows), encoding="utf-8")
    print(f"written: {path} {markdown}")
    if failed := not_met(rows):
        sys.exit(f"{name}: not met: {'; '.join(failed)}")


def draw(rounds: dict[str, list[Figures]], path: Path) -> None:
    """A curve for each series, medians over the rounds; a panel per placement."""
    try:
        import matplotlib
        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        print("vas: no plot, matplotlib is missing (apt-get install python3-matplotlib)")
        return
    _, panels = pyplot.subplots(1, len(rounds), figsize=(5 * len(rounds) + 2, 4.5),
                                layout="constrained", sharey=True, squeeze=False)
    for axes, (placement, found) in zip(panels[0], rounds.items()):
        for series in SERIES:
            medians = [statistics.median(f[name] for f in found) for name in series.names()]
            axes.plot(series.sizes, medians, marker="o",
                      label=f"{series.prefix} ({series.unit})")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(placement)
        axes.set_xlabel("size")
    panels[0][0].set_ylabel("microseconds")
    panels[0][-1].legend(fontsize=7)
    for kind in (".png", ".svg"):
        pyplot.savefig(path.with_suffix(kind), dpi=150)
        print(f"written: {path.with_suffix(kind)}")


def arguments() -> argparse.Namespace:
    """What the user asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--placement", choices=[*PLACEMENTS, "both"], default="both")
    parser.add_argument("--mode", default="seccomp", choices=("seccomp", "ptrace"))
    parser.add_argument("--kernel", type=Path, default=bench.REPO / "linux")
    return parser.parse_args()


def main() -> None:
    """Run the rounds, print and keep the results."""
    args = arguments()
    placements = PLACEMENTS if args.placement == "both" else (args.placement,)
    bench.RESULTS.mkdir(parents=True, exist_ok=True)
    rounds: dict[str, list[Figures]] = {placement: [] for placement in placements}
    for _ in range(args.rounds):
        for placement in placements:
            rounds[placement].append(one_round(args, placement))

    draw(rounds, bench.RESULTS / "vas.png")
    conclude("vas", table(rounds), {"mode": args.mode, "rounds": rounds})


if __name__ == "__main__":
    main()
