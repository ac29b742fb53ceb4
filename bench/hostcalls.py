# SPDX-License-Identifier: GPL-2.0-only
"""Host system calls for one guest operation, counted with strace.

The kernel runs under `strace -f -c` with N operations, and again with twice
as many. What the second run makes more, divided by N, is one operation's
share; starting and stopping the kernel cancels out. The guest's own system
calls arrive in its host process before UML takes them, so strace counts those
as well: one getpid in the guest shows as one call more.

Only seccomp mode can be counted: in ptrace mode UML itself is the tracer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

# Operations in the first run on stock and on ours: enough to drown timers and other
# noise. Ours makes so few calls that two boots' difference counts for more.
OPERATIONS: Mapping[str, Mapping[str, int]] = {
    "syscall_null": {"stock": 1000, "ours": 10000},
    "pipe_pingpong": {"stock": 300, "ours": 3000},
    "fork_exit": {"stock": 100, "ours": 1000},
    "vfork_exit": {"stock": 100, "ours": 1000},
    "fork_exec": {"stock": 50, "ours": 500},
    # Its memory is made resident by thousands of calls, more or fewer each time.
    "fork_16m_frag": {"stock": 3, "ours": 1000},
    "fault_seq": {"stock": 4096, "ours": 40960},
    "fault_random": {"stock": 4096, "ours": 40960},
    "mprotect_16m": {"stock": 100, "ours": 1000},
    "munmap_16m": {"stock": 20, "ours": 200},
    "mremap_0m": {"stock": 200, "ours": 2000},
    "vmalloc_1000": {"stock": 100, "ours": 1000},
}

WRAPPER = """#!/bin/sh
exec strace -f -c -S calls -o '{report}' '{kernel}' "$@"
"""


def write_wrapper(path: Path, kernel: Path, report: Path) -> None:
    """An executable to run instead of the kernel: the same under strace."""
    path.write_text(WRAPPER.format(report=report, kernel=kernel),
                    encoding="utf-8")
    path.chmod(0o755)


def parse_report(text: str) -> dict[str, int]:
    """Calls by name from the table that strace -c writes.

    ValueError if there is no table in it.
    """
    calls: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        # % time, seconds, usecs/call, calls, [errors,] syscall
        if len(words) in (5, 6) and words[3].isdigit():
            calls[words[-1]] = int(words[3])
    calls.pop("total", None)
    if not calls:
        raise ValueError("no table of system calls in strace's report")
    return calls


def per_operation(few: Mapping[str, int], many: Mapping[str, int],
                  more: int) -> dict[str, float]:
    """Each call's share in one of the `more` operations that many has on top.

    Calls that became fewer by chance stay in, below zero: the sum is honest.
    """
    names = set(few) | set(many)
    return {name: (many.get(name, 0) - few.get(name, 0)) / more
            for name in sorted(names)}
