#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Draw the ratios of one comparison: plot.py [build/bench/bench-*.json]

One bar for each metric and placement, the ratio stock/ours on a logarithmic
axis: above 1 ours is faster. The thin line spans the ratios of the single
rounds. Without a file the newest result is drawn. Writes ratios.png and
ratios.svg next to it; needs matplotlib (python3-matplotlib).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from metrics import METRICS, PLACEMENTS, Sample, Summary, ratio

try:
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullLocator
except ImportError:
    sys.exit("plot: not drawn, matplotlib is missing"
             " (apt-get install python3-matplotlib)")

RESULTS = Path(__file__).resolve().parent.parent / "build" / "bench"
# The first two of a palette that colour-blind readers can tell apart
COLOURS = {"free": "#0072b2", "pinned": "#e69f00"}
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 1, 1.25, 2, 5, 10, 20, 50, 100)


def newest_result() -> Path:
    """The last result of bench.py."""
    results = sorted(RESULTS.glob("bench-*.json"))
    if not results:
        sys.exit("plot: nothing to draw, run bench/bench.py first")
    return results[-1]


def ratios_of(samples: list[Sample]) -> dict[str, dict[str, Summary]]:
    """[metric][placement] for all that both kernels have."""
    found: dict[str, dict[str, Summary]] = {}
    for metric in METRICS:
        for placement in PLACEMENTS:
            summary = ratio(samples, placement, metric.name)
            if summary is not None:
                found.setdefault(metric.name, {})[placement] = summary
    return found


def draw(ratios: dict[str, dict[str, Summary]], caption: str) -> None:
    """The bars, from top to bottom in the order of the table."""
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.42 * len(ratios)),
                                   layout="constrained")
    placements = [p for p in PLACEMENTS if any(p in r for r in ratios.values())]
    height = 0.8 / len(placements)
    for i, placement in enumerate(placements):
        rows = [(n, r[placement]) for n, r in enumerate(ratios.values())
                if placement in r]
        # a bar starts at 1, so that longer means a greater difference
        axes.barh([n + (i + 0.5) * height - 0.4 for n, _ in rows],
                  [s.median - 1 for _, s in rows], left=1, height=height,
                  color=COLOURS[placement], label=placement)
        for n, s in rows:
            at = n + (i + 0.5) * height - 0.4
            axes.plot([s.low, s.high], [at, at], color="black", linewidth=1)
            axes.annotate(f"{s.median:.2f}",
                          (max(s.high, s.median, 1), at), xytext=(4, 0),
                          textcoords="offset points", va="center", fontsize=7)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.01)
    axes.set_xticks([t for t in TICKS if axes.get_xlim()[0] <= t
                     <= axes.get_xlim()[1]])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(ratios)), list(ratios))
    axes.invert_yaxis()
    axes.set_xlabel("time of stock / time of ours"
                    " (to the right: ours is faster)")
    axes.set_title(caption, fontsize=9)
    axes.legend(loc="lower right", fontsize=8)


def main() -> None:
    """Read one result, write the two pictures."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else newest_result()
    result = json.loads(path.read_text(encoding="utf-8"))
    ratios = ratios_of([Sample(**s) for s in result["samples"]])
    if not ratios:
        sys.exit("plot: not drawn, no metric has figures of both kernels")
    environment = result["environment"]
    draw(ratios, f"rounds: {environment['rounds']}, {environment['mode']},"
         f" {environment['guest_cpus']} CPU, {environment['host_cpu']},"
         f" {environment['date']}")
    for kind in ("png", "svg"):
        picture = path.with_name(f"ratios.{kind}")
        pyplot.savefig(picture, dpi=150)
        print(f"written: {picture}")


if __name__ == "__main__":
    main()
