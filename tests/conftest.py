# SPDX-License-Identifier: GPL-2.0-only
"""What the tests share: the kernel under test and a way to boot it.

    uml     starts ./uml as a user would, with the kernel and image under test
    guest   runs one command in a guest, once for each way the kernel can run
            (seccomp with 1 and 2 CPUs, ptrace), and checks the kernel log

pytest --kernel build/debug/linux tests/ runs all of it on another kernel.
A kernel or image that is missing is a failure, never a skip.
"""
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kernel_log import assert_clean

REPO = Path(__file__).resolve().parents[1]
UML = REPO / "uml"
REFUSE = ("/usr/bin/python3", str(REPO / "tests" / "refuse.py"))
sys.path.insert(0, str(REPO / "scripts"))

# On the debug kernel, around each command: what nothing points to any more goes
# to the log. An object is looked at when it is 5 s old, and must be the same in
# two scans.
LEAK_SCAN = """
"$@"; code=$?; cd /sys/kernel/debug
sleep 6; echo scan > kmemleak && echo scan > kmemleak
echo on > /proc/sys/kernel/printk_devkmsg
head -n 200 kmemleak | while IFS= read -r line; do echo "$line" > /dev/kmsg; done
exit $code"""
LEAK_SCAN_S = 30
# What the slab allocator hands out of an array is still in it when it is lost.
# There are no arrays where slabs are checked.
LEAK_APPEND = " slab_debug=F"

# mode, CPUs. ptrace mode has no SMP.
WAYS = (("seccomp", 1), ("seccomp", 2), ("ptrace", 1))


def pytest_addoption(parser: pytest.Parser) -> None:
    """--kernel, --image, --minutes."""
    parser.addoption("--kernel", type=Path, default=REPO / "linux",
                     help="kernel under test (default ./linux)")
    parser.addoption("--image", type=Path, default=REPO / "build" / "rootfs.ext4",
                     help="root image (default build/rootfs.ext4)")
    parser.addoption("--minutes", type=int, default=10,
                     help="how long tests/stress.py stresses each number of CPUs"
                          " (default 10)")


@dataclass
class Result:
    """One finished guest command."""

    code: int
    out: str
    err: str
    log: str


def is_debug(kernel: Path) -> bool:
    """Whether a kernel is `make debug`'s: it can inject faults, and finds leaks."""
    return b"fail_um_host_call" in kernel.read_bytes()


@dataclass
class Uml:
    """./uml with the kernel and image under test."""

    kernel: Path
    image: Path

    def is_debug(self) -> bool:
        """Whether the kernel under test is `make debug`'s."""
        return is_debug(self.kernel)

    def command(self, *arguments: str, action: str = "run") -> list[str]:
        """An argument vector; the caller gives options, "--" and CMD."""
        return [str(UML), action, "--kernel", str(self.kernel),
                "--image", str(self.image), *arguments]

    def run(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
        """Runs it to the end with its output captured, as bytes."""
        options = {"capture_output": True, "timeout": 120, **options}
        if "input" not in options and "stdin" not in options:
            options["stdin"] = subprocess.DEVNULL
        return subprocess.run(self.command(*arguments), check=False, **options)


@dataclass
class Guest:
    """Boots guests in one way and checks each one's kernel log."""

    uml: Uml
    mode: str
    cpus: int
    tmp_path: Path
    boots: int = field(default=0)

    def run(self, argv: list[str], mem: str = "1G", timeout: float = 120,
            append: str = "", kernel: Path | None = None,
            options: tuple[str, ...] = (), allow: tuple[str, ...] = ()) -> Result:
        """Runs argv in a new guest.

        options go to ./uml as they are (--rw ...); allow are patterns of log
        lines that this test provokes on purpose.
        """
        if is_debug(kernel or self.uml.kernel):
            argv = ["sh", "-c", LEAK_SCAN, "sh", *argv]
            timeout += LEAK_SCAN_S
            append += LEAK_APPEND
        self.boots += 1
        log = self.tmp_path / f"kernel-{self.boots}.log"
        arguments = ["--mem", mem, "--mode", self.mode, "--cpus", str(self.cpus),
                     "--timeout", str(timeout), "--log", str(log), "--append", append]
        if kernel:
            arguments += ["--kernel", str(kernel)]
        done = self.uml.run(*arguments, *options, "--", *argv, timeout=timeout + 30)
        text = log.read_text(errors="replace") if log.exists() else ""
        result = Result(done.returncode, done.stdout.decode(errors="replace"),
                        done.stderr.decode(errors="replace"), text)
        assert_clean(text, allow)
        return result


@pytest.fixture(scope="session")
def uml(request: pytest.FixtureRequest) -> Uml:
    """./uml on the kernel and image under test."""
    kernel, image = request.config.getoption("kernel"), request.config.getoption("image")
    for path, target in ((kernel, "make"), (image, "make image")):
        if not path.is_file():
            pytest.fail(f"{path} is missing: run `{target}` first", pytrace=False)
    return Uml(kernel.resolve(), image.resolve())


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{way[1]}cpu")
def guest(request: pytest.FixtureRequest, uml: Uml, tmp_path: Path) -> Guest:
    """A guest in each of the ways the kernel can run."""
    mode, cpus = request.param
    return Guest(uml, mode, cpus, tmp_path)


def mount_of(path: str) -> str | None:
    """The mount point that a path lies on; None if it is outside of a chroot."""
    points = [line.split()[4].replace("\\040", " ")
              for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    around = [point for point in points if Path(path).is_relative_to(point)]
    return max(around, key=len, default=None)


@pytest.fixture(scope="session")
def private_mounts() -> tuple[str, ...]:
    """A command prefix that runs `sh -c SCRIPT` where it may mount over /dev/shm.

    unshare makes all mounts private from the root on, which in a chroot need
    not be a mount; then it is done for the one below /dev/shm.
    """
    shell = ("sh", "-c")
    prefixes = [("unshare", "-m", *shell) if os.geteuid() == 0 else
                ("unshare", "-r", "-m", *shell)]
    below = mount_of("/dev/shm")
    if below:
        prefixes.append(("unshare", "-m", "--propagation", "unchanged", *shell,
                         f'mount --make-private {shlex.quote(below)} && '
                         'exec sh -c "$0" "$@"'))
    for prefix in prefixes:
        probe = subprocess.run([*prefix, "mount -t tmpfs tmpfs /dev/shm"],
                               capture_output=True, text=True, check=False)
        if probe.returncode == 0:
            return prefix
    pytest.skip(f"this host gives no mount namespace: {probe.stderr.strip()}")


@pytest.fixture(scope="session")
def landlock() -> None:
    """For tests of what the host's Landlock refuses."""
    from umlrun import landlock as module  # pylint: disable=import-outside-toplevel
    if not module.version():
        pytest.skip("this host has no Landlock")


def session_members(leader: int) -> list[int]:
    """Processes of the session that a kernel process leads: itself, its helpers."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


def children(pid: int) -> list[int]:
    """Child processes of pid."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def kernel_of(runner: int) -> int:
    """The kernel process of a runner whose guest is up: its keeper's child."""
    keeper, = children(runner)
    kernel, = children(keeper)
    return kernel


def wait_until(condition, timeout: float = 10) -> bool:
    """Whether condition() becomes true in time."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def fail_with(faults: list[str], done: Result) -> None:
    """Fail with everything that is wrong of a command, and its output."""
    if done.code:
        faults = [*faults, f"exit status {done.code}"]
    if faults:
        pytest.fail("\n".join([*faults, "--- output", done.out, done.err]),
                    pytrace=False)
