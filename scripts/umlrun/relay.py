# SPDX-License-Identifier: GPL-2.0-only
"""Bytes between our stdin, stdout and stderr and init in the guest.

The other side and the frames are described in rootfs/init.c. The kernel log
comes through a pipe of its own, so it never mixes with the command's output.
One poll loop does it all. It never waits for a slow reader of our stdout: the
log and the time limit go on meanwhile.
"""
import contextlib
import os
import select
import signal
import stat
import struct
import termios
import time
import tty
from collections.abc import Iterator

from .machine import Machine, Options

HEADER = struct.Struct("<cI")
CHUNK = 65536
# A pipe or terminal that polls as writable takes this much without blocking.
WRITE_CHUNK = 4096
LOG_TAIL = 65536
GUEST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class TimedOut(Exception):
    """--timeout is over."""


class GuestFailed(Exception):
    """Init in the guest could not do what it was asked; the text says why."""


def encode_job(options: Options) -> bytes:
    """The 'C' frame's data: what the guest is to run."""
    strings = ["A" + argument for argument in options.command]
    environment = {"PATH": GUEST_PATH, "HOME": "/root",
                   "TERM": os.environ.get("TERM", "dumb")}
    strings += [f"V{name}={value}" for name, value in environment.items()]
    for kind, host, guest in options.shares:
        strings += [("R" if kind == "ro" else "B") + guest, host]
    strings += ["T"] if options.terminal else []
    strings += ["K"] if options.write_image else []
    return b"".join(os.fsencode(text) + b"\0" for text in strings)


@contextlib.contextmanager
def raw_terminal(wanted: bool) -> Iterator[None]:
    """Keys go to the guest as they are, and the terminal is put back later."""
    if not wanted:
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


class Output:
    """One of our output streams, written only as far as it will not block."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.pending = b""
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        self.chunk = CHUNK if regular else WRITE_CHUNK

    def write_some(self) -> None:
        """One write. A reader that is gone ends us, as it does any program."""
        try:
            written = os.write(self.fd, self.pending[:self.chunk])
            self.pending = self.pending[written:]
        except BlockingIOError:
            pass


class Relay:
    """Runs the poll loop of one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.options = machine.options
        self.up = False                 # init has said hello
        self._ended = False             # the kernel process has ended
        self.guest_cpus = 0
        self.log_tail = b""
        self._stdout, self._stderr = Output(1), Output(2)
        self._to_guest = b""
        self._from_guest = b""
        self._stdin_open = True
        self._resized = -1              # readable when our terminal got another size
        self._log_file = open(self.options.log, "wb", buffering=0) \
            if self.options.log else None
        timeout = self.options.timeout
        self._deadline = time.monotonic() + timeout if timeout else None
        machine.channel.setblocking(False)
        os.set_blocking(machine.log_fd, False)

    # ---- to the guest ----

    def _send(self, kind: bytes, data: bytes = b"") -> None:
        self._to_guest += HEADER.pack(kind, len(data)) + data

    def _watch_window(self) -> None:
        """SIGWINCH shows up in the poll loop, as a byte in a pipe."""
        self._resized, signalled = os.pipe()
        os.set_blocking(signalled, False)
        signal.set_wakeup_fd(signalled)
        signal.signal(signal.SIGWINCH, lambda *_: None)

    def _send_window(self) -> None:
        """Tells the guest how large our terminal is."""
        size = os.get_terminal_size(0)
        self._send(b"W", struct.pack("<HH", size.lines, size.columns))

    def _flush_to_guest(self) -> None:
        try:
            sent = self.machine.channel.send(self._to_guest)
            self._to_guest = self._to_guest[sent:]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self._to_guest = b""        # the kernel is ending
            self._stdin_open = False

    def _read_stdin(self) -> None:
        try:
            data = os.read(0, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""                  # a hung-up terminal reads as EIO
        self._stdin_open = bool(data)
        self._send(b"I", data)

    # ---- from the guest ----

    def _frame(self, kind: bytes, data: bytes) -> None:
        if kind == b"O":
            self._stdout.pending += data
        elif kind == b"E":
            self._stderr.pending += data
        elif kind == b"F":
            raise GuestFailed(data.decode(errors="replace"))
        elif kind == b"H":
            self.guest_cpus = int(data)
            self.up = True
            self.machine.remove_run_dir()
            if self.guest_cpus != self.options.cpus:
                raise GuestFailed(f"the kernel runs {self.guest_cpus} CPU, not "
                                  f"{self.options.cpus}: it was built for no more")
            if self.options.terminal:
                self._send_window()
            self._send(b"C", encode_job(self.options))

    def _read_channel(self) -> bool:
        """False when there is nothing more to read for now."""
        try:
            data = self.machine.channel.recv(CHUNK)
        except (BlockingIOError, ConnectionResetError):
            return False
        self._from_guest += data
        while len(self._from_guest) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._from_guest)
            end = HEADER.size + length
            if len(self._from_guest) < end:
                break
            frame, self._from_guest = self._from_guest[HEADER.size:end], self._from_guest[end:]
            self._frame(kind, frame)
        return bool(data)

    def _read_log(self) -> bool:
        try:
            data = os.read(self.machine.log_fd, CHUNK)
        except BlockingIOError:
            return False
        self.log_tail = (self.log_tail + data)[-LOG_TAIL:]
        if self._log_file:
            self._log_file.write(data)
        return bool(data)

    # ---- the loop ----

    def _interests(self) -> dict[int, int]:
        """What to poll for now."""
        machine = self.machine
        wanted = {stream.fd: select.POLLOUT for stream in self._backlog()}
        if self._ended:
            return wanted
        wanted |= {machine.log_fd: select.POLLIN, machine.keeper.report_fd: select.POLLIN}
        channel = 0 if self._backlog() else select.POLLIN
        channel |= select.POLLOUT if self._to_guest else 0
        if channel:
            wanted[machine.channel.fileno()] = channel
        if self.up and self._stdin_open and not self._to_guest:
            wanted[0] = select.POLLIN
        if self.up and self._resized >= 0:
            wanted[self._resized] = select.POLLIN
        return wanted

    def _poll(self) -> dict[int, int]:
        poll = select.poll()
        for fd, events in self._interests().items():
            poll.register(fd, events)
        wait_ms = None
        if self._deadline is not None:
            wait_ms = (self._deadline - time.monotonic()) * 1000
            if wait_ms <= 0:
                raise TimedOut
        return dict(poll.poll(wait_ms))

    def _backlog(self) -> list[Output]:
        """Streams that have something left to write."""
        return [stream for stream in (self._stdout, self._stderr) if stream.pending]

    def _write_backlog(self, ready: dict[int, int]) -> None:
        for stream in self._backlog():
            if stream.fd in ready:
                stream.write_some()

    def _step(self) -> bool:
        """One turn; False when the kernel process has ended."""
        ready = self._poll()
        machine = self.machine
        if 0 in ready and self._stdin_open:
            self._read_stdin()
        if self._resized in ready:
            os.read(self._resized, CHUNK)
            self._send_window()
        events = ready.get(machine.channel.fileno(), 0)
        if events & ~select.POLLOUT:
            self._read_channel()
        if self._to_guest:
            self._flush_to_guest()
        if machine.log_fd in ready:
            self._read_log()
        self._write_backlog(ready)
        self._ended = machine.keeper.report_fd in ready
        return not self._ended

    def _finish(self) -> None:
        """The kernel is gone: what it left in the channel and the log."""
        while self._read_log():
            pass
        while self._backlog() or self._read_channel():
            if self._backlog():
                self._write_backlog(self._poll())

    def run(self) -> int:
        """Relays until the kernel has ended; its wait status."""
        if self.options.terminal:
            self._watch_window()
        with raw_terminal(self.options.terminal):
            while self._step():
                pass
            self._finish()
        return self.machine.keeper.wait()

    def last_log_lines(self, count: int) -> str:
        """The end of the kernel log, for a message."""
        lines = self.log_tail.decode(errors="replace").replace("\r", "").splitlines()
        return "\n".join(lines[-count:])
