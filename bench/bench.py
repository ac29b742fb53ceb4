#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compare our kernel with stock UML, side by side on this machine.

Each round runs every guest program once on each kernel, in both placements
(free: the host schedules as it likes; pinned: all of it on one CPU). Each
program has a boot of its own, one kernel's right after the other's, so that a
machine whose speed drifts does both the same wrong; who goes first changes
with the rounds. The first round also runs the programs on the host itself and,
where runsc is installed, in gVisor.

Only what ran side by side can be compared, so the table gives medians, and the
ratio stock/ours as the median and the extremes of the rounds' ratios. All
samples and the circumstances are kept in build/bench/*.json, the tables as
Markdown in build/bench/table.md, and plot.py draws them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Iterator, Sequence

import hostcalls
import hostload
import processmemory
from metrics import (HOST_PROGRAMS, METRICS, PLACEMENTS, Sample, as_markdown,
                     as_text, bars, bars_table, calls_table, figures_table,
                     parse_line)

REPO = Path(__file__).resolve().parent.parent
GUEST_PROGRAMS = "/usr/local/bin"
NATIVE_PROGRAMS = REPO / "build" / "guest"
RESULTS = REPO / "build" / "bench"
DISK_MIB = 256
MEMORY = "1G"
PASS_TIMEOUT_S = 600
# How often a program has its turn in a round, if more than once: where both kernels
# do the same, a boot's luck with the host's memory counts for more than they differ.
VISITS = {"bench_map": 3, "boot": 9}


class BenchError(Exception):
    """Something that ends the whole comparison; the text says what to do."""


@dataclass
class Session:
    """What was asked for, and what has been measured so far."""

    kernels: dict[str, Path]
    placements: list[str]
    programs: list[str]
    disk: Path
    mode: str
    started: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    host_calls: dict[str, dict[str, dict[str, float]]] = field(
        default_factory=dict)

    def note(self, text: str) -> None:
        """One line of progress that stays."""
        _erase_status()
        elapsed = time.monotonic() - self.started
        print(f"[{int(elapsed // 60):2}:{int(elapsed % 60):02}] {text}",
              flush=True)

    def fail(self, text: str) -> None:
        """Something is missing from the result: say it now and at the end."""
        self.failures.append(text)
        self.note(f"FAILED: {text}")


def _erase_status() -> None:
    if sys.stdout.isatty():
        print("\r\033[K", end="")


def _status(text: str) -> None:
    """A line that the next one overwrites; nothing without a terminal."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)


# --- commands ---------------------------------------------------------------

def pinned_cpu() -> int:
    """The CPU of the pinned placement: the last one that we may use."""
    return max(os.sched_getaffinity(0))


def place(placement: str) -> None:
    """Keep the current process, and what it starts, on this placement's CPUs."""
    if placement == "pinned":
        os.sched_setaffinity(0, {pinned_cpu()})


def uml_command(session: Session, kernel: Path, command: Sequence[str],
                timeout_s: int = PASS_TIMEOUT_S) -> list[str]:
    """How to run a command in a guest of this kernel.

    Beside its root it has the disk that dd reads, /dev/ubdb.
    """
    return [str(REPO / "uml"), "run", "--kernel", str(kernel),
            "--mode", session.mode, "--mem", MEMORY, "--timeout", str(timeout_s),
            "--append", f"ubd1r={session.disk}", "--", *command]


def pass_script(directory: Path | str, programs: Sequence[str],
                native: bool) -> str:
    """Shell text that runs all programs, even after one has failed."""
    lines = ["bad=0"]
    for program in programs:
        own = [m for m in METRICS if m.program == program]
        wanted = [m.name for m in own if m.native or not native]
        if wanted and program not in HOST_PROGRAMS:
            lines.append(f"{directory}/{program} {' '.join(wanted)} || bad=1")
    return "\n".join([*lines, "exit $bad"])


def lines_of(command: Sequence[str], placement: str, exit_status: list[int],
             environment: dict[str, str] | None = None) -> Iterator[str]:
    """Run a command and yield its output's lines as they come.

    Its exit status is appended to exit_status when the output has ended.
    """
    with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True, errors="replace", cwd=RESULTS,
            env={**os.environ, **(environment or {})},
            preexec_fn=lambda: place(placement)) as process:
        assert process.stdout is not None
        yield from process.stdout
    exit_status.append(process.returncode)


# --- measuring --------------------------------------------------------------

def measure_programs(session: Session, target: str, placement: str,
                     number: int, programs: Sequence[str],
                     command: Sequence[str],
                     environment: dict[str, str] | None = None) -> None:
    """Run a command that runs guest programs, and keep their figures."""
    title = f"round {number}, {placement}, {target}"
    native = target not in session.kernels
    missing = {m.name for m in METRICS if m.program in programs
               and m.program not in HOST_PROGRAMS
               and (m.native or not native)}
    _status(f"{title}: {' '.join(programs)}")
    status: list[int] = []
    for line in lines_of(command, placement, status, environment):
        found = parse_line(line)
        if found is None:
            print(line, end="", file=sys.stderr)
            continue
        session.samples.append(Sample(target, placement, number, *found))
        missing.discard(found[0])
        _status(f"{title}: {line.strip()}")
    if status != [0] or missing:
        session.fail(f"{title}, {' '.join(programs)}: exit status {status[0]},"
                     f" without: {' '.join(sorted(missing)) or 'nothing'}")


def time_boot(session: Session, kernel: Path,
              placement: str) -> tuple[float, float] | None:
    """Milliseconds from the start of the runner to the guest command's first
    output, and to the end of everything. None if the boot failed."""
    status: list[int] = []
    first = None
    began = time.monotonic()
    command = uml_command(session, kernel, ["echo", "ready"])
    for line in lines_of(command, placement, status):
        if first is None and line.strip() == "ready":
            first = time.monotonic()
    ended = time.monotonic()
    if first is None or status != [0]:
        return None
    return (first - began) * 1000, (ended - began) * 1000


def measure_boot(session: Session, target: str, placement: str,
                 number: int) -> None:
    """The two times of a boot."""
    times = time_boot(session, session.kernels[target], placement)
    if times is None:
        session.fail(f"round {number}, {placement}, {target}: no boot")
        return
    for name, value in zip(("boot_first_output", "boot_and_halt"), times):
        session.samples.append(Sample(target, placement, number, name, value))


def measure_memory(session: Session, target: str, placement: str,
                   number: int) -> None:
    """Host memory for one more guest process."""
    command = uml_command(session, session.kernels[target],
                          ["sh", "-c", processmemory.SCRIPT])
    try:
        value = processmemory.per_process(command, lambda: place(placement))
    except (RuntimeError, OSError) as error:
        session.fail(f"round {number}, {placement}, {target}: memory: {error}")
        return
    session.samples.append(
        Sample(target, placement, number, "process_memory", value))


def measure_kernel(session: Session, target: str, placement: str,
                   number: int, program: str) -> None:
    """One program on one kernel."""
    if program == "boot":
        measure_boot(session, target, placement, number)
        return
    if program == "memory":
        measure_memory(session, target, placement, number)
        return
    script = pass_script(GUEST_PROGRAMS, [program], False)
    command = uml_command(session, session.kernels[target],
                          ["sh", "-c", script])
    measure_programs(session, target, placement, number, [program], command)


def measure_round(session: Session, number: int) -> None:
    """Each program on both kernels, who goes first in turn.

    Samples of a program with several visits count each as a round of its own.
    """
    order = list(session.kernels)
    for placement in session.placements:
        for program in session.programs:
            visits = VISITS.get(program, 1)
            for visit in range((number - 1) * visits, number * visits):
                for target in order[::-1] if visit % 2 else order:
                    measure_kernel(session, target, placement, visit + 1,
                                   program)
        session.note(f"round {number}, {placement}: done")


def measure_native(session: Session) -> None:
    """The same programs on the host."""
    script = pass_script(NATIVE_PROGRAMS, session.programs, True)
    memory_directory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
    for placement in session.placements:
        measure_programs(session, "native", placement, 1, session.programs,
                         ["sh", "-c", script], {"TMPDIR": memory_directory})
        session.note(f"round 1, {placement}: native")


def gvisor_prefix() -> list[str] | None:
    """How to run a command in gVisor here, or None if that does not work."""
    if shutil.which("runsc") is None:
        return None
    for which in ("systrap", "ptrace"):
        for rootless in ([], ["--rootless"]):
            prefix = ["runsc", *rootless, "--network=none",
                      f"--platform={which}", "do"]
            tried = subprocess.run([*prefix, "true"], check=False,
                                   stdin=subprocess.DEVNULL,
                                   capture_output=True)
            if tried.returncode == 0:
                return prefix
    return None


def measure_gvisor(session: Session) -> None:
    """The same programs in gVisor, where the host schedules as it likes."""
    prefix = gvisor_prefix()
    if prefix is None:
        session.note("gVisor: no column, runsc is not installed or does not"
                     " work here")
        return
    script = pass_script(NATIVE_PROGRAMS, session.programs, True)
    measure_programs(session, "gvisor", "free", 1, session.programs,
                     [*prefix, "sh", "-c", script], {"TMPDIR": "/tmp"})
    session.note(f"round 1, free: gvisor ({' '.join(prefix)})")


# --- host system calls ------------------------------------------------------

def traced_calls(session: Session, kernel: Path, metric_name: str,
                 operations: int) -> dict[str, int]:
    """All host calls of one boot that does so many operations.

    Kernel, wrapper and report share a directory that is handed to the runner
    as a writable one, because it lets the kernel process use no other.
    """
    program = next(m.program for m in METRICS if m.name == metric_name)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        traced = directory / "linux"
        shutil.copy2(kernel, traced)
        wrapper = directory / "wrapper"
        report_path = directory / "report"
        hostcalls.write_wrapper(wrapper, traced, report_path)
        command = uml_command(
            session, wrapper,
            [f"{GUEST_PROGRAMS}/{program}", "--ops", str(operations),
             metric_name])
        command[2:2] = ["--rw", f"{directory}:/mnt"]
        status: list[int] = []
        for _ in lines_of(command, "free", status):
            pass
        if status != [0]:
            raise BenchError(f"exit status {status[0]} under strace")
        return hostcalls.parse_report(report_path.read_text(encoding="utf-8"))


def count_host_calls(session: Session) -> None:
    """Host calls per operation, for both kernels."""
    if shutil.which("strace") is None:
        raise BenchError("strace is not installed: apt-get install strace")
    for name, operations in hostcalls.OPERATIONS.items():
        for target, kernel in session.kernels.items():
            _status(f"strace: {name} on {target}")
            ops = operations[target]
            try:
                few = traced_calls(session, kernel, name, ops)
                many = traced_calls(session, kernel, name, 2 * ops)
            except (BenchError, OSError, ValueError) as error:
                session.fail(f"host calls of {name} on {target}: {error}")
                continue
            shares = hostcalls.per_operation(few, many, ops)
            session.host_calls.setdefault(target, {})[name] = shares
            session.note(f"strace: {name} on {target}:"
                         f" {sum(shares.values()):.1f} host calls")


# --- circumstances and results ----------------------------------------------

def make_disk(path: Path) -> None:
    """The disk that dd reads: real blocks, no holes, the same every time."""
    if path.exists() and path.stat().st_size == DISK_MIB << 20:
        return
    block = hashlib.sha256(b"bench").digest() * (1 << 15)
    unfinished = path.with_suffix(".new")
    with unfinished.open("wb") as disk:
        for _ in range(DISK_MIB):
            disk.write(block)
    unfinished.rename(path)


def identify(session: Session, kernel: Path) -> dict[str, str]:
    """Which kernel this is, asked from the running kernel itself."""
    command = ["sh", "-c", "busybox uname -srvm; "
               "busybox zcat /proc/config.gz | busybox sha256sum"]
    status: list[int] = []
    said = list(lines_of(uml_command(session, kernel, command, 60),
                         "free", status))
    if status != [0] or len(said) != 2:
        raise BenchError(f"{kernel} does not boot (exit status {status[0]})")
    return {"path": str(kernel), "version": said[0].strip(),
            "config_sha256": said[1].split()[0]}


def host_cpu() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def circumstances(session: Session, rounds: int) -> dict[str, object]:
    """What one must know to judge the figures."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host_kernel": " ".join(platform.uname()[i] for i in (0, 2, 3, 4)),
        "host_cpu": host_cpu(),
        "host_cpus": len(os.sched_getaffinity(0)),
        "load_at_start": os.getloadavg()[0],
        "mode": session.mode, "guest_cpus": 1, "guest_memory": MEMORY,
        "rounds": rounds, "placements": session.placements,
        "pinned_cpu": pinned_cpu(),
        "kernels": {t: identify(session, k)
                    for t, k in session.kernels.items()},
    }


def write_results(session: Session, environment: dict[str, object]) -> Path:
    """Everything as JSON, under a name that sorts by date."""
    path = RESULTS / time.strftime("bench-%Y%m%d-%H%M%S.json", time.gmtime())
    path.write_text(json.dumps({
        "environment": environment,
        "samples": [asdict(s) for s in session.samples],
        "host_calls": session.host_calls,
        "failures": session.failures,
    }, indent=1) + "\n", encoding="utf-8")
    return path


def tables(session: Session) -> dict[str, list[list[str]]]:
    """The tables that have something in them, by title; demands in seccomp mode."""
    found = {}
    if session.samples:
        found["Medians, smaller is better; stock/ours: above 1 ours is faster"] = \
            figures_table(session.samples)
    if session.host_calls:
        found["Host system calls for one operation"] = \
            calls_table(session.host_calls)
    if session.mode != "seccomp":
        return found
    counted = session.host_calls.get("ours", {}).get("vmalloc_1000")
    found["Bars"] = bars_table(bars(
        session.samples, session.placements, session.programs,
        sum(counted.values()) if counted is not None else None))
    return found


def report(session: Session, environment: dict[str, object]) -> None:
    """Print the tables, write them and all the samples, draw the plot."""
    path = write_results(session, environment)
    markdown = []
    for title, rows in tables(session).items():
        print(f"\n{title}\n\n{as_text(rows)}", end="")
        markdown.append(f"**{title}**\n\n{as_markdown(rows)}")
    table = RESULTS / "table.md"
    table.write_text("\n".join(markdown), encoding="utf-8")
    print(f"\nwritten: {path} {table}")
    if session.samples:
        plotter = Path(__file__).with_name("plot.py")
        subprocess.run([sys.executable, str(plotter), str(path)], check=False)
    others = environment.get("others_percent", 0.0)
    if isinstance(others, float) and others > hostload.TOO_MUCH_PERCENT:
        print(f"WARNING: other programs took {others:.0f} % of the host's"
              " processor time: run it again on a quiet machine")
    for failure in session.failures:
        print(f"FAILED: {failure}")


# --- command line -----------------------------------------------------------

def arguments() -> argparse.Namespace:
    """What the user asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--placement", choices=[*PLACEMENTS, "both"],
                        default="both")
    parser.add_argument("--mode", choices=["seccomp", "ptrace"],
                        default="seccomp",
                        help="of both kernels; bars are for seccomp")
    parser.add_argument("--programs", default="", metavar="NAME,...",
                        help="only these guest programs, as fork,map")
    parser.add_argument("--ours", type=Path, default=REPO / "linux",
                        help="our kernel (default: ./linux)")
    parser.add_argument("--stock", type=Path,
                        default=REPO / "build" / "stock" / "linux",
                        help="its rival (default: build/stock/linux)")
    parser.add_argument("--strace", action="store_true",
                        help="count host system calls per operation too")
    parser.add_argument("--strace-only", action="store_true",
                        help="count host system calls and nothing else")
    return parser.parse_args()


def chosen_programs(names: str) -> list[str]:
    """The guest programs asked for, all if none is named."""
    known = {m.program.removeprefix("bench_"): m.program for m in METRICS}
    unknown = [n for n in names.split(",") if n and n not in known]
    if unknown:
        raise BenchError(f"no such guest program: {' '.join(unknown)};"
                         f" there are: {' '.join(known)}")
    return [known[n] for n in names.split(",") if n] or list(known.values())


def prepare(args: argparse.Namespace) -> Session:
    """Check what is needed before anything slow begins."""
    if args.mode == "ptrace" and (args.strace or args.strace_only):
        raise BenchError("strace cannot look at what is traced already:"
                         " without --strace, or in seccomp mode")
    for kernel, target in ((args.ours, "make"), (args.stock, "make stock")):
        if not kernel.exists():
            raise BenchError(f"{kernel} is missing: {target}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    disk = RESULTS / "disk.img"
    make_disk(disk)
    placements = (list(PLACEMENTS) if args.placement == "both"
                  else [args.placement])
    return Session({"ours": args.ours.resolve(), "stock": args.stock.resolve()},
                   placements, chosen_programs(args.programs), disk, args.mode)


def measure_all(session: Session, rounds: int) -> float:
    """All rounds, and the columns beside them in the first.

    Returns the percentage of processor time that others took in the rounds.
    """
    others = []
    for number in range(1, rounds + 1):
        before = hostload.read()
        measure_round(session, number)
        others.append(hostload.others_percent(
            before, hostload.read(), len(os.sched_getaffinity(0))))
        if number == 1:
            measure_native(session)
            measure_gvisor(session)
    return statistics.mean(others)


def main() -> int:
    """Measure, then print and write what there is, even when interrupted."""
    args = arguments()
    rounds = 1 if args.quick else args.rounds
    session = prepare(args)
    environment = circumstances(session, rounds)
    if args.strace_only:
        session.programs = []
    try:
        if session.programs:
            environment["others_percent"] = measure_all(session, rounds)
        if args.strace or args.strace_only:
            count_host_calls(session)
    except KeyboardInterrupt:
        session.fail("interrupted: the result is incomplete")
    report(session, environment)
    return 1 if session.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as problem:
        sys.exit(f"bench: {problem}")
