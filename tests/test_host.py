# SPDX-License-Identifier: GPL-2.0-only
"""Pure logic of the kernel, built as host programs. Most run in milliseconds, host_handoff,
which tries some millions of interleavings, for ten seconds.

Each tests/host/host_*.c includes the source file that it tests, and is built
with the address and undefined-behaviour sanitizers.
"""
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
PROGRAMS = sorted((TOP / "tests/host").glob("host_*.c"))


def test_there_are_programs() -> None:
    assert len(PROGRAMS) >= 2


def built(source: Path, program: Path, *options: str) -> Path:
    """The program, built with the sanitizers."""
    subprocess.run(
        ["gcc", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         "-D__UM_HOST__", f"-I{TOP}/arch/um/include/shared/skas", *options,
         "-o", str(program), str(source)], check=True)
    return program


@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)
def test_host(source: Path, tmp_path: Path) -> None:
    program = built(source, tmp_path / source.stem)
    result = subprocess.run([str(program)], capture_output=True, text=True,
                            timeout=240)
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stdout + result.stderr
    plan = next(line for line in lines if line.startswith("1.."))
    passed = [line for line in lines if line.startswith("ok ")]
    assert len(passed) == int(plan[3:]) > 0


@pytest.mark.parametrize("broken", (
    "XCHG_IN_TWO_STEPS", "CMPXCHG_IN_TWO_STEPS", "SLEEP_WITHOUT_LOOKING", "SILENT_BELL",
    "WAKES_NOBODY"))
def test_a_broken_handoff_is_found(broken: str, tmp_path: Path) -> None:
    """The search itself: it reports what cannot work."""
    program = built(TOP / "tests/host/host_handoff.c", tmp_path / broken, f"-DBROKEN={broken}")
    result = subprocess.run([str(program)], capture_output=True, text=True,
                            check=False, timeout=240)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "failed: all_scripts_done()" in result.stdout
    assert "too many" not in result.stdout
