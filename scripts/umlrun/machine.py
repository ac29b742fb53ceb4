# SPDX-License-Identifier: GPL-2.0-only
"""One UML process: its run directory, its arguments, its start.

The run directory holds the copy-on-write file, a link to the image, and the
kernel's own temporary files. It is removed as soon as the guest is up, when
all of them are open; the keeper removes it when the guest does not get so far.
"""
import contextlib
import fcntl
import os
import re
import resource
import shlex
import shutil
import socket
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from . import landlock, place
from .host import HostError, warn
from .keeper import Keeper

RUN_PREFIX = "uml-run-"
LOG_PIPE_SIZE = 1 << 20
CHANNEL = "ttyS1"


@dataclass
class Options:
    """What the user asked for."""

    kernel: Path
    image: Path
    command: list[str]
    memory: int = 1 << 30
    cpus: int = 1
    mode: str = ""
    shares: list[tuple[str, str, str]] = field(default_factory=list)  # ro|rw, host, guest
    timeout: float = 0
    log: str = ""
    append: str = ""
    write_image: bool = False
    terminal: bool = False


def lock_image(options: Options) -> int:
    """Any number of copy-on-write runs at once, or one that writes the image."""
    try:
        fd = os.open(options.image,
                     (os.O_RDWR if options.write_image else os.O_RDONLY) | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"root image {options.image}: {error.strerror} "
                        "(make image builds it)") from error
    kind = fcntl.LOCK_EX if options.write_image else fcntl.LOCK_SH
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        busy = "another run uses it" if options.write_image else "a --write-image run has it"
        raise HostError(f"root image {options.image}: {busy}") from None
    return fd


def check_kernel(kernel: Path) -> None:
    """HostError unless kernel can be started."""
    if not kernel.is_file():
        raise HostError(f"kernel {kernel}: no such file (make builds ./linux)")
    if not os.access(kernel, os.X_OK):
        raise HostError(f"kernel {kernel}: not executable")


def named_files(append: str) -> list[str]:
    """Host files that --append names, as in ubd1=/FILE or initrd=/FILE."""
    return re.findall(r"[=,:](/[^\s,:]+)", append)


class Machine:
    """A booting kernel. Use as a context manager: nothing of it outlives the block."""

    def __init__(self, options: Options) -> None:
        self.options = options
        check_kernel(options.kernel)
        self._image_lock = lock_image(options)
        disk = 0 if options.write_image else options.image.stat().st_size
        self.run_dir = tempfile.mkdtemp(prefix=RUN_PREFIX, dir=place.choose(
            options.memory, options.kernel, disk))
        self.channel, self._guest_end = socket.socketpair()
        self.log_fd, self._log_end = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._log_end, fcntl.F_SETPIPE_SZ, LOG_PIPE_SIZE)

    def __enter__(self) -> "Machine":
        try:
            # A link, as the kernel splits its command line at spaces and commas.
            os.symlink(self.options.image.resolve(), os.path.join(self.run_dir, "image"))
            arguments, ruleset = self._arguments(), self._confinement()
            self.keeper = Keeper(lambda: self._become_kernel(arguments, ruleset),
                                 self.remove_run_dir)
        except BaseException:
            self.remove_run_dir()
            raise
        self._guest_end.close()
        os.close(self._log_end)
        return self

    def __exit__(self, *_: object) -> None:
        self.keeper.end()

    def remove_run_dir(self) -> None:
        """The guest has opened all it needs; names are no longer of use."""
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def _arguments(self) -> list[str]:
        options = self.options
        channel, log = self._guest_end.fileno(), self._log_end
        # The root file system is thrown away: no flush to the disk for its sake.
        disk = ["ubd0=image"] if options.write_image else ["ubd0=cow,image",
                                                           "rootflags=barrier=0"]
        arguments = [str(options.kernel.resolve()), f"mem={options.memory}", *disk,
                     "root=/dev/ubda", "rw", "rootfstype=ext4", "init=/sbin/init",
                     f"uml_dir={self.run_dir}", f"uml_channel={CHANNEL}",
                     "console=ttyS0", f"ssl0=fd:{log}", f"ssl1=fd:{channel}", "con=null"]
        if options.cpus > 1:
            arguments.append(f"ncpus={options.cpus}")
        if options.mode:
            arguments.append("seccomp=" + {"seccomp": "on", "ptrace": "off"}[options.mode])
        return arguments + shlex.split(options.append)

    def _confinement(self) -> int:
        options = self.options
        write = [self.run_dir, *named_files(options.append)]
        write += [host for kind, host, _ in options.shares if kind == "rw"]
        if options.write_image:
            write.append(str(options.image))
        read = [host for kind, host, _ in options.shares if kind == "ro"]
        ruleset = landlock.build([str(options.kernel), str(options.image), *read], write)
        if ruleset < 0 and read:
            warn("this host has no Landlock: only the guest keeps --ro read-only, "
                 "and its root can undo that")
        return ruleset

    def _environment(self, kernel: str) -> dict[str, str]:
        """The kernel's: a directory named there is where its memory file goes."""
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("TMPDIR", "TMP", "TEMP")}
        environment["HOME"] = self.run_dir
        if place.makes_memory_file(Path(kernel)):
            environment["TMPDIR"] = self.run_dir
        return environment

    def _become_kernel(self, arguments: list[str], ruleset: int) -> None:
        """In the process that is to be the kernel; returns only on failure."""
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            # Each guest process costs the kernel process a descriptor.
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(self._log_end, 1)
            os.dup2(self._log_end, 2)
            # The lock is the kernel's as well: it lasts as long as either lives.
            for fd in (self._guest_end.fileno(), self._log_end, self._image_lock):
                os.set_inheritable(fd, True)
            os.chdir(self.run_dir)
            if ruleset >= 0:
                landlock.enter(ruleset)
            os.execve(arguments[0], arguments, self._environment(arguments[0]))
        except OSError as error:
            os.write(2, f"cannot start {arguments[0]}: {error}\n".encode())
