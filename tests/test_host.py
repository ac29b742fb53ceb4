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


@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)
def test_host(source: Path, tmp_path: Path) -> None:
    program = tmp_path / source.stem
    subprocess.run(
        ["gcc", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         "-D__UM_HOST__", f"-I{TOP}/arch/um/include/shared/skas",
         "-o", str(program), str(source)], check=True)
    result = subprocess.run([str(program)], capture_output=True, text=True,
                            timeout=240)
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result.stdout + result.stderr
    plan = next(line for line in lines if line.startswith("1.."))
    passed = [line for line in lines if line.startswith("ok ")]
    assert len(passed) == int(plan[3:]) > 0
