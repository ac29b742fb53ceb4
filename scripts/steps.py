# SPDX-License-Identifier: GPL-2.0-only
"""What every step of the build shows: one line for each thing done, the time
that it took, and a sign of life while a long command runs.

A long command writes to a log file; meanwhile a status line is shown, rewritten
each second on a terminal and printed every 15 seconds anywhere else. A step
that cannot go on ends with one line (fail).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

TERMINAL_PERIOD_S = 1
LOG_PERIOD_S = 15

name = Path(sys.argv[0]).name


def say(text: str) -> None:
    """Print one line about this step."""
    print(f"{name}: {text}", flush=True)


def fail(text: str) -> NoReturn:
    """End this step with one line that says why."""
    sys.exit(f"{name}: {text}")


def minutes(seconds: float) -> str:
    """An elapsed time as 4:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def end_on_sigterm() -> None:
    """Let a SIGTERM unwind the stack, so that clean-up code runs."""
    def end(signum: int, _frame: object) -> NoReturn:
        sys.exit(128 + signum)
    signal.signal(signal.SIGTERM, end)


def run_logged(command: Sequence[str | Path], log: Path, label: str,
               status: Callable[[], str], cwd: Path | None = None,
               env: dict[str, str] | None = None) -> int:
    """Run command with its output appended to log; return its exit code.

    status() gives the words that stand behind the elapsed time. The command
    runs in a session of its own and does not outlive this function.
    """
    on_terminal = sys.stdout.isatty()
    period = TERMINAL_PERIOD_S if on_terminal else LOG_PERIOD_S
    start = time.monotonic()
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=cwd, env=env,
                                   stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT,
                                   start_new_session=True)
    try:
        while True:
            try:
                return process.wait(timeout=period)
            except subprocess.TimeoutExpired:
                elapsed = minutes(time.monotonic() - start)
                line = f"{name}: {label} {elapsed} {status()}"
                if on_terminal:
                    print(f"\r\033[K{line}", end="", flush=True)
                else:
                    print(line, flush=True)
    finally:
        if on_terminal:
            print("\r\033[K", end="", flush=True)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def tail(log: Path, lines: int) -> str:
    """The last lines of a log."""
    text = log.read_text(errors="replace").splitlines()
    return "\n".join(text[-lines:])
