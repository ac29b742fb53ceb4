# SPDX-License-Identifier: GPL-2.0-only
"""Keeps a kernel process, and sees to it that nothing of it stays behind.

UML starts helpers and one process for each guest address space, and it leaves
our process group with setsid(). When it is killed at the wrong moment, between
starting a helper and that helper's asking to die with it, the helper stays,
stopped for a tracer that is no more. So a process of ours stands between:

    runner -- keeper -- UML -- its helpers

The keeper is a subreaper: whatever loses its parent below it becomes its child.
It waits for UML to end, or for the runner to end or to ask for the end (both
close a pipe), then kills and reaps all that is left, cleans up, and
reports UML's wait status through another pipe. So even SIGKILL of the runner
leaves nothing. Should the keeper be killed, UML gets SIGKILL from the host.
"""
import contextlib
import os
import select
import signal
import struct
import time
from collections.abc import Callable

from .host import PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG, prctl

WALL = 0x40000000       # waitpid: also children that do not send SIGCHLD
STATUS = struct.Struct("i")
SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def _kill_rest(kernel: int) -> None:
    """Ends the process group that the dead kernel led; reaps every child."""
    with contextlib.suppress(ChildProcessError):
        while True:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(kernel, signal.SIGKILL)
            if os.waitpid(-1, os.WNOHANG | WALL)[0] == 0:
                time.sleep(0.002)


def _start_kernel(become_kernel: Callable[[], None]) -> int:
    keeper = os.getpid()
    kernel = os.fork()
    if kernel == 0:
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == keeper:
                for number in SIGNALS | {signal.SIGPIPE}:
                    signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, set())
                become_kernel()
        finally:
            os._exit(125)
    return kernel


def _keep(become_kernel: Callable[[], None], clean_up: Callable[[], None],
          life: int, report: int) -> None:
    """The keeper's life. SIGNALS are blocked in it from the start."""
    os.setsid()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    kernel = _start_kernel(become_kernel)
    ended = os.pidfd_open(kernel)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    mine = {0, 1, 2, life, report, ended}
    for fd in {int(name) for name in os.listdir("/proc/self/fd")} - mine:
        with contextlib.suppress(OSError):
            os.close(fd)

    poll = select.poll()
    poll.register(life, select.POLLIN)
    poll.register(ended, select.POLLIN)
    if (life, select.POLLHUP) in poll.poll():
        os.kill(kernel, signal.SIGKILL)
    status = os.waitpid(kernel, 0)[1]
    _kill_rest(kernel)
    clean_up()
    with contextlib.suppress(BrokenPipeError):
        os.write(report, STATUS.pack(status))


class Keeper:
    """The runner's side. report_fd becomes readable when all has ended."""

    def __init__(self, become_kernel: Callable[[], None],
                 clean_up: Callable[[], None]) -> None:
        life, self._life = os.pipe()
        self.report_fd, report = os.pipe()
        self._status: int | None = None
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._life)
                os.close(self.report_fd)
                _keep(become_kernel, clean_up, life, report)
            finally:
                os._exit(0)
        os.close(life)
        os.close(report)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait(self) -> int:
        """Waits for the end of it all; the kernel's status as os.wait() has it."""
        if self._status is None:
            data = os.read(self.report_fd, STATUS.size)
            os.waitpid(self._pid, 0)
            self._status, = STATUS.unpack(data) if data else (int(signal.SIGKILL),)
        return self._status

    def end(self) -> None:
        """Kills what still runs, waits until it is gone."""
        os.close(self._life)
        self.wait()
