# SPDX-License-Identifier: GPL-2.0-only
"""make stress: stress-ng on the debug kernel, with 2 and with 4 CPUs.

Half of the time its stressors of class "vm", one after the other and two of each,
half of it forks and threads of all kinds. What must come out is nothing: an end in
time, no failure, a clean kernel log. It is no part of `make test`, which it would
make twice as long.
"""
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Guest, Uml, fail_with

# They are about memory that a guest of this size does not have, or all of it.
LEFT_OUT = {"bigheap", "physpage", "tmpfs"}
STORM = "--fork 2 --vfork 2 --clone 1 --pthread 2 --mmapfork 1"
# What stress-ng tells of stressors that the guest has no resources for.
NO_RESOURCES = 3

GUEST = """
export LD_LIBRARY_PATH=/mnt
mkdir -p /lib64 /tmp/stress && cp /mnt/ld-*.so.* /lib64 && cd /tmp/stress || exit 1
/mnt/stress-ng "$@"; code=$?
[ $code = %d ] || exit $code""" % NO_RESOURCES


def ask(*argv: str) -> str:
    """What a command on the host prints."""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.fixture(name="directory", scope="module")
def directory_with_stress_ng(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host's program with its libraries, which the root image lacks."""
    program = shutil.which("stress-ng")
    if not program:
        pytest.fail("stress-ng is missing: make stress installs it", pytrace=False)
    directory = tmp_path_factory.mktemp("stress")
    for path in (program, *re.findall(r"(/\S+) \(0x", ask("ldd", program))):
        shutil.copy(path, directory)
    return directory


def vm_class() -> list[str]:
    """The stressors that stress-ng has of it."""
    return re.findall(r"[\w-]+", ask("stress-ng", "--class", "vm?").partition(":")[2])


@pytest.mark.parametrize("cpus", (2, 4))
@pytest.mark.parametrize("load", ("vm", "storm"))
def test_stress(request: pytest.FixtureRequest, uml: Uml, tmp_path: Path,
                directory: Path, load: str, cpus: int) -> None:
    seconds = 60 * request.config.getoption("minutes") // 2
    options = STORM
    if load == "vm":
        found = vm_class()
        seconds = max(1, seconds // len(set(found) - LEFT_OUT))
        options = f"--class vm --exclude {','.join(LEFT_OUT & set(found))} --sequential 2"
    guest = Guest(uml, "seccomp", cpus, tmp_path)
    done = guest.run(["sh", "-c", GUEST, "sh", "--timeout", str(seconds), *options.split()],
                     mem="2G", timeout=60 * 3 * request.config.getoption("minutes") + 120,
                     options=("--ro", f"{directory}:/mnt"))
    fail_with([], done)
    assert re.search(r"\bsuccessful run completed", done.out + done.err)
