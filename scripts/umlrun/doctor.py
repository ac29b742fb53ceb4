# SPDX-License-Identifier: GPL-2.0-only
"""./uml doctor: can this host build and run UML, and if not, how to mend it.

Each check is a function that tries the thing itself where it can (traces a
child, installs a filter, maps a file) and yields findings. A fail means that
a run or a build will not work, a warn that it may not, or not well.
"""
import ctypes
import os
import resource
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import landlock, place
from .host import (DEFAULT_IMAGE, DEFAULT_KERNEL, PR_SET_NO_NEW_PRIVS,
                   PR_SET_SECCOMP, libc, prctl, show_size)

OK, WARN, FAIL = "ok", "warn", "fail"
DEFAULT_MEMORY = 1 << 30
DEFAULT_MAP_COUNT = 65530
ENOUGH_PROCESSES = 256
ENOUGH_FILES = 4096

PTRACE_TRACEME = 0
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7fff0000
BPF_RETURN = 0x06

# Program, Debian package, whether the project cannot be built without it
TOOLS = (
    ("gcc", "gcc", True), ("make", "make", True), ("flex", "flex", True),
    ("bison", "bison", True), ("bc", "bc", True), ("perl", "perl", True),
    ("patch", "patch", True), ("tar", "tar", True), ("xz", "xz-utils", True),
    ("mke2fs", "e2fsprogs", True), ("busybox", "busybox-static", True),
    ("pytest", "python3-pytest", True), ("ccache", "ccache", False),
    ("strace", "strace", False), ("shellcheck", "shellcheck", False),
)
SBIN = ("/usr/sbin", "/sbin")


@dataclass
class Finding:
    """One line of the report."""

    state: str
    what: str
    mend: str = ""


def read_number(path: str) -> int | None:
    """A number from /proc/sys, None where the host does not show it."""
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def child_succeeds(action: Callable[[], None]) -> bool:
    """Whether action runs without OSError in a child of ours."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            action()
            code = 0
        except OSError:
            pass
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def can_trace() -> bool:
    """Whether a child that asks for it stops under us."""
    pid = os.fork()
    if pid == 0:
        if libc.ptrace(PTRACE_TRACEME, 0, None, None) == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(1)
    status = os.waitpid(pid, os.WUNTRACED)[1]
    traced = os.WIFSTOPPED(status)
    if traced:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return traced


def install_filter() -> None:
    """Puts this process under a seccomp filter that allows everything."""
    instruction = ctypes.create_string_buffer(
        struct.pack("=HBBI", BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW))
    program = ctypes.create_string_buffer(
        struct.pack("@HP", 1, ctypes.addressof(instruction)))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program)


def check_memory_place() -> Iterator[Finding]:
    """A directory for a stock kernel's memory file."""
    places = [place.look(path, DEFAULT_MEMORY) for path in place.candidates()]
    for one in places:
        if one.problem:
            yield Finding(WARN, f"memory file: {one.path} {one.problem}",
                          f"mount -o remount,exec,size=2g {one.path} "
                          "(docker run --shm-size=2g), or another TMPDIR")
            continue
        if one.in_memory:
            yield Finding(OK, f"memory file: {one.path}, {show_size(one.free)} free")
        else:
            yield Finding(WARN, f"memory file: {one.path} is a disk, slow",
                          "set TMPDIR to a directory on a tmpfs with 1 GiB free")
        return
    yield Finding(FAIL, "memory file: no directory can hold 1 GiB",
                  "set TMPDIR to a directory on a tmpfs with 1 GiB free")


def check_trapping() -> Iterator[Finding]:
    """seccomp and ptrace: UML needs one of them."""
    seccomp, ptrace = child_succeeds(install_filter), can_trace()
    scope = read_number("/proc/sys/kernel/yama/ptrace_scope")
    if seccomp:
        yield Finding(OK, "seccomp filters")
    else:
        yield Finding(WARN if ptrace else FAIL, "seccomp filters cannot be installed: "
                      "ptrace mode only, slower and on one CPU",
                      "docker run --security-opt seccomp=unconfined")
    if ptrace:
        yield Finding(OK, "ptrace" + (f" (yama scope {scope})" if scope else ""))
    else:
        yield Finding(WARN if seccomp else FAIL, "ptrace of a child is refused",
                      "sysctl kernel.yama.ptrace_scope=1"
                      if scope == 3 else "docker run --cap-add SYS_PTRACE")


def check_landlock() -> Iterator[Finding]:
    """What keeps --ro read-only."""
    if landlock.version():
        yield Finding(OK, f"Landlock version {landlock.version()}")
    else:
        yield Finding(WARN, "no Landlock: only the guest kernel keeps --ro read-only",
                      "add landlock to lsm= on the host's kernel command line")


def check_kernel_settings() -> Iterator[Finding]:
    """Settings below /proc/sys/vm."""
    count = read_number("/proc/sys/vm/max_map_count")
    if count is not None and count < DEFAULT_MAP_COUNT:
        yield Finding(WARN, f"vm.max_map_count is {count}",
                      f"sysctl vm.max_map_count={DEFAULT_MAP_COUNT}")
    else:
        yield Finding(OK, f"vm.max_map_count {count if count is not None else 'not shown'}")
    if read_number("/proc/sys/vm/overcommit_memory") == 2:
        yield Finding(WARN, "vm.overcommit_memory=2: large guests may not start",
                      "sysctl vm.overcommit_memory=0")
    else:
        yield Finding(OK, "vm.overcommit_memory")


def check_free_memory() -> Iterator[Finding]:
    """Memory of the host, and the limit of our control group."""
    free = 0
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) << 10
    limit = read_number("/sys/fs/cgroup/memory.max")
    used = read_number("/sys/fs/cgroup/memory.current")
    if limit is not None and used is not None:
        free = min(free, limit - used)
    if free < DEFAULT_MEMORY:
        yield Finding(WARN, f"free memory: {show_size(free)}",
                      "run guests with a smaller --mem")
    else:
        yield Finding(OK, f"free memory: {show_size(free)}")


def check_limits() -> Iterator[Finding]:
    """Resource limits that end a guest from outside."""
    for name, number, need, state in (
            ("file size (ulimit -f)", resource.RLIMIT_FSIZE, DEFAULT_MEMORY, FAIL),
            ("address space (ulimit -v)", resource.RLIMIT_AS, 4 * DEFAULT_MEMORY, FAIL),
            ("processes (ulimit -u)", resource.RLIMIT_NPROC, ENOUGH_PROCESSES, WARN),
            ("open files (ulimit -Hn)", resource.RLIMIT_NOFILE, ENOUGH_FILES, WARN)):
        hard = number == resource.RLIMIT_NOFILE     # the runner raises the soft one
        limit = resource.getrlimit(number)[hard]
        if limit == resource.RLIM_INFINITY or limit >= need:
            yield Finding(OK, f"limit of {name}")
        else:
            yield Finding(state, f"limit of {name} is {limit}, a guest may need {need}",
                          "raise it with ulimit or in /etc/security/limits.conf")


def is_static(path: str) -> bool:
    """Whether a program runs without a dynamic loader (its name stands up front)."""
    with open(path, "rb") as program:
        return b"/ld-linux" not in program.read(4096)


def check_tools() -> Iterator[Finding]:
    """Programs that building and testing call."""
    search = os.pathsep.join([os.environ.get("PATH", ""), *SBIN])
    present = []
    for name, package, needed in TOOLS:
        path = shutil.which(name, path=search)
        if path and (name != "busybox" or is_static(path)):
            present.append(name)
            continue
        text = f"{name} is not static" if path else f"{name} is missing"
        yield Finding(FAIL if needed else WARN,
                      text if needed else text + " (optional)",
                      f"apt-get install {package}")
    yield Finding(OK, "tools: " + " ".join(present))


def check_built() -> Iterator[Finding]:
    """What make leaves behind."""
    for path, target in ((DEFAULT_KERNEL, "make"), (DEFAULT_IMAGE, "make image")):
        if path.is_file():
            yield Finding(OK, str(path))
        else:
            yield Finding(WARN, f"{path} is not built yet", target)


CHECKS = (check_memory_place, check_trapping, check_landlock, check_kernel_settings,
          check_free_memory, check_limits, check_tools, check_built)


def examine() -> int:
    """Prints all findings; 1 when one of them is a fail, else 0."""
    findings = [finding for check in CHECKS for finding in check()]
    for one in findings:
        print(f"{one.state:4}  {one.what}")
        if one.state != OK and one.mend:
            print(f"      mend: {one.mend}")
    return int(any(one.state == FAIL for one in findings))
