# SPDX-License-Identifier: GPL-2.0-only
"""How much of the host's processor time others took during the comparison.

A figure taken while a build runs next to it is worth little. The kernel counts
all busy time in /proc/stat; what our own finished children used is known; the
rest, and what a hypervisor took away ("steal"), was others'.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

# Others' share of all CPUs, in percent, above which the result says so
TOO_MUCH_PERCENT = 10


@dataclass(frozen=True)
class Reading:
    """Seconds of processor time, over all CPUs, since some moment."""

    clock: float
    busy: float
    own: float
    steal: float


def parse_stat(text: str, ticks_per_second: int) -> tuple[float, float]:
    """Busy and stolen seconds from the first line of /proc/stat."""
    # cpu user nice system idle iowait irq softirq steal ...
    ticks = [int(word) for word in text.split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    busy = user + nice + system + irq + softirq
    return busy / ticks_per_second, steal / ticks_per_second


def read() -> Reading:
    """The state now."""
    busy, steal = parse_stat(Path("/proc/stat").read_text(encoding="ascii"),
                             os.sysconf("SC_CLK_TCK"))
    own = os.times()
    return Reading(time.monotonic(), busy,
                   own.user + own.system + own.children_user
                   + own.children_system, steal)


def others_percent(before: Reading, after: Reading, cpus: int) -> float:
    """Share of all CPUs' time that went to others."""
    others = (after.busy - before.busy - (after.own - before.own)
              + after.steal - before.steal)
    return 100 * max(0.0, others) / ((after.clock - before.clock) * cpus)
