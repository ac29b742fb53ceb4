# SPDX-License-Identifier: GPL-2.0-only
"""Runs the programs of tests/guest/ in a guest and reads their KTAP.

Each program is one test in each way the kernel can run (seccomp with 1 and 2
CPUs, ptrace with 1), unless RUNS says why not. It passes if its KTAP is whole
and every case is "ok", if it exits with 0, and if the kernel log is clean. What
KTAP allows beyond that is a failure here: a case that is skipped, a case that
is missing, a stray line. Only a program that RUNS marks as needing the debug
kernel may skip all of itself on another one, and then the test is a skip too.

The time limits are for a busy machine and a kernel with debugging.
"""
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import REPO, WAYS, Guest, fail_with

SOURCES = Path(__file__).with_name("guest")
EAGER = REPO / "build" / "eager" / "linux"

# What the debug kernel takes for its own bookkeeping.
DEBUG_MIB = 128


@dataclass(frozen=True)
class Run:
    """How one program is run."""

    argv: tuple[str, ...]
    mem_mib: int = 1024
    timeout_s: int = 180
    ways: tuple[tuple[str, int], ...] = WAYS
    # Lines of the kernel log that it provokes on purpose.
    allow: tuple[str, ...] = ()
    # It needs what only the debug kernel has.
    debug: bool = False

    @property
    def name(self) -> str:
        """For the test's id; the program that prints the KTAP comes last."""
        return "+".join(word for word in self.argv if word.startswith("test_"))


RUNS = (
    Run(("test_fork_cow",)),
    Run(("test_fork_pages",)),
    Run(("test_mprotect",)),
    Run(("test_mmap",)),
    Run(("test_mremap",)),
    Run(("test_contents",)),
    Run(("test_processes",)),
    Run(("test_fault_handlers",)),
    Run(("test_buffers",)),
    Run(("test_fpu",)),
    Run(("test_foreign_access",)),
    Run(("test_stub_attack",)),
    Run(("test_random", "8")),
    Run(("test_max_map_count",), mem_mib=1280, timeout_s=400),
    Run(("test_fork_threads",), ways=WAYS + (("seccomp", 4),)),
    Run(("test_threads",), ways=WAYS + (("seccomp", 4),)),
    Run(("test_threads_at_once",), ways=(("seccomp", 2),)),
    Run(("test_threads_apart",), ways=(("seccomp", 2),)),
    Run(("test_fault_around",)),
    Run(("test_vma_locks",)),
    Run(("test_exec_ahead",)),
    Run(("test_fork_ahead",)),
    Run(("test_host_mappings",)),
    Run(("test_tlb_miss",)),
    # It empties the host's mappings of 1 GiB by exceeding their number.
    Run(("test_lock_on_fault",), mem_mib=1280, timeout_s=400),
    Run(("test_swap",), mem_mib=96, timeout_s=800),
    Run(("test_swap", "--", "test_random", "8"), mem_mib=96),
    Run(("test_swap", "--", "test_fork_cow"), mem_mib=96),
    Run(("test_swap", "--", "test_fork_pages"), mem_mib=96),
    Run(("test_swap", "--", "test_vas_memory"), mem_mib=96),
    Run(("test_swap", "--", "test_vma_locks"), mem_mib=96),
    Run(("test_vas_objects",)),
    Run(("test_vas_permissions",)),
    Run(("test_vas_memory",)),
    Run(("test_vas_mappings",)),
    Run(("test_vas_calls",)),
    Run(("test_vas_mlock",)),
    Run(("test_vas_isolation",)),
    Run(("test_vas_random", "60"), timeout_s=300),
    Run(("test_vas_failing",)),
    Run(("test_vas_segments",)),
    Run(("test_vas_threads",), ways=WAYS + (("seccomp", 4),)),
    Run(("test_vas_at_once",), ways=(("seccomp", 2),)),
    Run(("test_vas_processes",)),
    Run(("test_vas_views",), timeout_s=400),
    # In seccomp mode the filter ends the attacker's host process.
    Run(("test_stub_filter",), timeout_s=500, allow=("lost MM child",)),
    Run(("test_host_failure",), debug=True,
        allow=("um_tlb: .* failed: errno 22", "lost MM child")),
    Run(("test_fresh_registers",)),
    Run(("test_view_reuse",), allow=("lost MM child",)),
)

RESULT = re.compile(r"(ok|not ok) (\d+) ([^#\n]+)")
SKIP_ALL = re.compile(r"KTAP version 1\n1\.\.0 # SKIP (.+)\n")


def ktap_faults(text: str) -> list[str]:
    """What keeps this output from being a complete success; empty if nothing."""
    lines = text.splitlines()
    plan = re.fullmatch(r"1\.\.(\d+)", lines[1]) if len(lines) > 1 else None
    if not plan or lines[0] != "KTAP version 1":
        return [f"no KTAP header and plan: {lines[:2]}"]
    faults = []
    count = 0
    for line in lines[2:]:
        if line.startswith("# "):
            continue
        result = RESULT.fullmatch(line)
        if not result:
            faults.append(f"unexpected line: {line!r}")
            continue
        count += 1
        if int(result[2]) != count:
            faults.append(f"number {result[2]} where {count} was due: {line!r}")
        if result[1] != "ok":
            faults.append(line)
    planned = int(plan[1])
    if planned == 0 or count != planned:
        faults.append(f"{planned} cases planned, {count} reported")
    return faults


@pytest.mark.parametrize("run, guest", [
    pytest.param(run, way, id=f"{run.name}-{way[0]}-{way[1]}cpu")
    for run in RUNS for way in run.ways], indirect=["guest"])
def test_program(guest: Guest, run: Run) -> None:
    """Fails with everything that is wrong, and the output."""
    mem_mib = run.mem_mib + (DEBUG_MIB if guest.uml.is_debug() else 0)
    done = guest.run(list(run.argv), mem=f"{mem_mib}M", timeout=run.timeout_s,
                     allow=run.allow)
    skipped = SKIP_ALL.fullmatch(done.out)
    if run.debug and skipped and done.code == 0:
        pytest.skip(skipped[1])
    fail_with(ktap_faults(done.out), done)


@pytest.mark.parametrize("program", ["test_vas_calls", "test_vas_memory",
                                     "test_vas_mappings"])
def test_eager_attach(guest: Guest, program: str) -> None:
    """VAS_LAZY_ATTACH=n, which nobody runs every day."""
    if not EAGER.is_file():
        pytest.skip("build/eager/linux is not there: make eager")
    done = guest.run([program], kernel=EAGER)
    fail_with(ktap_faults(done.out), done)


def test_every_program_is_run() -> None:
    """A new file in tests/guest/ must be in RUNS."""
    programs = {source.stem for source in SOURCES.glob("test_*.c")}
    assert {run.argv[0] for run in RUNS} == programs


@pytest.mark.parametrize("text, fault", [
    ("", "no KTAP header"),
    ("KTAP version 1\n1..1\n", "1 cases planned, 0 reported"),
    ("KTAP version 1\n1..0\n", "0 cases planned"),
    ("KTAP version 1\n1..0 # SKIP no reason\n", "no KTAP header and plan"),
    ("KTAP version 1\n1..1\nnot ok 1 a\n", "not ok 1 a"),
    ("KTAP version 1\n1..2\nok 1 a\nok 3 b\n", "number 3 where 2"),
    ("KTAP version 1\n1..1\nok 1 a\nok 2 b\n", "1 cases planned, 2 reported"),
    ("KTAP version 1\n1..1\nok 1 a # SKIP no reason\n", "unexpected line"),
    ("KTAP version 1\n1..1\nok 1 a # TODO\n", "unexpected line"),
    ("KTAP version 1\n1..1\nok 1 a\nBail out!\n", "unexpected line"),
    ("1..1\nok 1 a\n", "no KTAP header"),
])
def test_ktap_faults_are_seen(text: str, fault: str) -> None:
    """The reader itself: each of these is no success."""
    assert any(fault in found for found in ktap_faults(text))


def test_good_ktap_is_good() -> None:
    """And this one is."""
    assert not ktap_faults("KTAP version 1\n1..2\n# note\nok 1 a b\nok 2 c\n")
