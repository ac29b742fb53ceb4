# SPDX-License-Identifier: GPL-2.0-only
"""How much host memory one more guest process takes.

What the host holds for a guest is the sum over its processes of the share that
each has in the pages it maps (Pss) and of its page tables. That is read with none
and with a hundred processes asleep in the guest. The guest's own memory for them
is part of it.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Callable, Sequence

PROCESSES = 100
SCRIPT = ("echo ready; read go; i=0;"
          f" while [ $i -lt {PROCESSES} ]; do sleep 1000 & i=$((i+1)); done;"
          " sleep 2; echo ready; read go")


def kib(text: str, name: str) -> int:
    """The figure of one line "name: 12 kB"; 0 if there is none."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def text_of(path: str) -> str:
    """A file of /proc, empty once the process is gone."""
    try:
        return Path(path).read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descendants(pid: int) -> list[int]:
    """The processes below this one."""
    found = []
    for child in text_of(f"/proc/{pid}/task/{pid}/children").split():
        found += [int(child), *descendants(int(child))]
    return found


def held(runner: int) -> int:
    """KiB that the host holds for what this runner has started."""
    return sum(kib(text_of(f"/proc/{pid}/smaps_rollup"), "Pss") +
               kib(text_of(f"/proc/{pid}/status"), "VmPTE")
               for pid in descendants(runner))


def per_process(command: Sequence[str], place: Callable[[], None]) -> float:
    """KiB for one more process.

    command: boots a guest that runs SCRIPT.
    place:   is called in the new process, before the command.
    """
    with subprocess.Popen(command, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True,
                          preexec_fn=place) as runner:
        assert runner.stdin is not None and runner.stdout is not None
        levels = []
        for _ in range(2):
            while (line := runner.stdout.readline()).strip() != "ready":
                if not line:
                    raise RuntimeError("the guest ended early")
            levels.append(held(runner.pid))
            runner.stdin.write("go\n")
            runner.stdin.flush()
    return (levels[1] - levels[0]) / PROCESSES
