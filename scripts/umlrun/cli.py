# SPDX-License-Identifier: GPL-2.0-only
"""The command line of ./uml, and what its exit code means."""
import argparse
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from .host import DEFAULT_IMAGE, DEFAULT_KERNEL, HostError, parse_size, warn
from .machine import Machine, Options
from .relay import GuestFailed, Relay, TimedOut

EXIT_TIMEOUT, EXIT_HOST, EXIT_PANIC = 124, 125, 255
LOG_LINES = 40

EPILOG = """\
exit code: CMD's own (128+N when signal N ended it; 127 not found, 126 not
executable); 124 timeout; 255 kernel panic or crash, with the end of the kernel
log on stderr; 125 the run could not be made, with the reason on stderr.

The root image is not changed: writes go to a copy-on-write file that ends with
the run. --write-image changes it, one run at a time.

--ro and --rw use hostfs. The host's Landlock holds the kernel process to what
it needs: it reads /usr, /lib, /proc, /dev, the kernel, the image and the shares,
and writes to --rw shares and the run's own files. Without Landlock (a warning
says so) only the guest kernel stands between the guest's root and your files.
Limits: Landlock does not cover mode, owner and times of files, so root in the
guest, if it means harm, can change those of any file that is yours. It can also
load code into the kernel process and use your network, memory and processor.
Changes that the host makes to a share may be seen late by the guest.

The guest's stdin is yours: in a script's loop give it < /dev/null.
"""


class Interrupted(Exception):
    """A signal asked us to end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Parser(argparse.ArgumentParser):
    """Usage errors end with 125, so that they are not taken for the command's."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_HOST, f"{self.prog}: {message} (see {self.prog} --help)\n")


def memory(text: str) -> int:
    """--mem"""
    size = parse_size(text)
    if size < 32 << 20:
        raise ValueError("too small")
    return size


def share(text: str) -> tuple[str, str]:
    """HOST:GUEST of --ro and --rw"""
    host, _, guest = text.rpartition(":")
    if not os.path.isdir(host):
        raise argparse.ArgumentTypeError(f"{text!r}: HOST is not a directory")
    if not guest.startswith("/") or os.path.normpath(guest) == "/":
        raise argparse.ArgumentTypeError(f"{text!r}: GUEST is not an absolute path")
    return os.path.realpath(host), os.path.normpath(guest)


def seconds(text: str) -> float:
    """--timeout"""
    value = float(text)
    if value <= 0:
        raise ValueError("not positive")
    return value


def cpu_count(text: str) -> int:
    """--cpus"""
    value = int(text)
    if value < 1:
        raise ValueError("not positive")
    return value


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """What run and shell have in common."""
    parser.add_argument("--mem", type=memory, default=1 << 30, metavar="SIZE",
                        help="guest memory (default 1G)")
    parser.add_argument("--cpus", type=cpu_count, default=1, metavar="N",
                        help="virtual CPUs; more than 1 is seccomp mode")
    parser.add_argument("--mode", choices=("seccomp", "ptrace"), default="",
                        help="how the kernel traps system calls (default: its choice)")
    parser.add_argument("--ro", type=share, action="append", default=[],
                        metavar="HOST:GUEST", help="a host directory, read-only")
    parser.add_argument("--rw", type=share, action="append", default=[],
                        metavar="HOST:GUEST", help="a host directory, writable")
    parser.add_argument("--timeout", type=seconds, default=0, metavar="SECONDS",
                        help="end the run after this time")
    parser.add_argument("--kernel", type=Path, default=DEFAULT_KERNEL, metavar="PATH",
                        help="kernel to boot (default ./linux)")
    parser.add_argument("--image", type=Path, default=DEFAULT_IMAGE, metavar="PATH",
                        help="root image (default build/rootfs.ext4)")
    parser.add_argument("--log", default="", metavar="FILE",
                        help="keep the whole kernel log in FILE")
    parser.add_argument("--append", default="", metavar="ARGS",
                        help="further kernel arguments; files in them by absolute path")
    parser.add_argument("--write-image", action="store_true",
                        help="writes go to the image itself")


def make_parser() -> Parser:
    """The parser; the command after -- has been cut off before."""
    parser = Parser(prog="uml", description="Runs a command in User-Mode Linux.",
                    epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="action", required=True)
    for name, text in (("run", "boot, run CMD, return its exit code"),
                       ("shell", "boot into an interactive shell")):
        usage = f"uml {name} [options]" + (" -- CMD ARG..." if name == "run" else "")
        add_run_options(commands.add_parser(
            name, usage=usage, help=text, description=text, epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter))
    commands.add_parser("doctor", help="check this host, say how to mend it")
    return parser


def make_options(arguments: argparse.Namespace, command: list[str]) -> Options:
    """Parsed arguments to Options."""
    shares = [("ro", *item) for item in arguments.ro]
    shares += [("rw", *item) for item in arguments.rw]
    shell = arguments.action == "shell"
    # SMP is in seccomp mode only, whatever the kernel would choose.
    mode = "seccomp" if arguments.cpus > 1 else arguments.mode
    return Options(
        kernel=arguments.kernel, image=arguments.image,
        command=["/bin/sh"] if shell else command, memory=arguments.mem,
        cpus=arguments.cpus, mode=mode, shares=shares,
        timeout=arguments.timeout, log=arguments.log, append=arguments.append,
        write_image=arguments.write_image,
        terminal=shell and os.isatty(0) and os.isatty(1))


def show_log(relay: Relay, reason: str) -> None:
    """The end of the kernel log on stderr, then the reason."""
    print(relay.last_log_lines(LOG_LINES), file=sys.stderr)
    warn(reason)


def judge(relay: Relay, status: int) -> int:
    """From the kernel's wait status to our exit code."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        what = "kernel panic" if number == signal.SIGABRT else \
            f"the kernel was ended by signal {number} ({signal.strsignal(number)})"
        show_log(relay, what)
        return EXIT_PANIC
    if not relay.up:
        show_log(relay, "the kernel ended before init ran")
        return EXIT_HOST
    return os.WEXITSTATUS(status)


def boot(options: Options) -> int:
    """One run from start to end; the exit code."""
    with Machine(options) as machine:
        relay = Relay(machine)
        try:
            return judge(relay, relay.run())
        except TimedOut:
            warn(f"timeout after {options.timeout:g} s")
            return EXIT_TIMEOUT
        except GuestFailed as error:
            raise HostError(f"guest: {error}") from error


def open_missing_streams() -> None:
    """A closed stdin, stdout or stderr becomes /dev/null."""
    while True:
        fd = os.open("/dev/null", os.O_RDWR)
        if fd > 2:
            os.close(fd)
            return


def on_signal(number: int, _frame: object) -> None:
    """Unwinds the run, once."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    raise Interrupted(number)


def die_by(number: int) -> NoReturn:
    """Ends as the signal would have ended us."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    sys.exit(128 + number)


def main(argv: list[str]) -> int:
    """The program; returns its exit code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    cut = argv.index("--") if "--" in argv else len(argv)
    parser = make_parser()
    arguments = parser.parse_args(argv[:cut])
    command = argv[cut + 1:]
    if arguments.action == "run" and not command:
        parser.error("run: no command; put it behind --, as in uml run -- ls /")
    if getattr(arguments, "mode", "") == "ptrace" and arguments.cpus > 1:
        parser.error("--cpus: ptrace mode has no SMP")
    if arguments.action == "doctor":
        from .doctor import examine  # pylint: disable=import-outside-toplevel
        return examine()
    open_missing_streams()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:      # as under nohup
            signal.signal(number, on_signal)
    try:
        return boot(make_options(arguments, command))
    except HostError as error:
        warn(str(error))
        return EXIT_HOST
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            die_by(signal.SIGPIPE)
        warn(str(error))
        return EXIT_HOST
    except Interrupted as interrupt:
        die_by(interrupt.number)
