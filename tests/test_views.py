# SPDX-License-Identifier: GPL-2.0-only
"""Host processes as the host sees them: the pool, its bounds, its leftovers."""
import os
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

import pytest
from conftest import Guest, Uml, children, kernel_of, session_members, wait_until
from kernel_log import assert_clean

STUB_NAME = "uml-userspace"


def host_processes(leader: int) -> list[int]:
    """The host processes of a kernel, those of the pool included."""
    return [pid for pid in session_members(leader) if name(pid) == STUB_NAME]


def name(pid: int) -> str:
    """The name of a process, empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def mappings(pid: int) -> list[str]:
    """Lines of its /proc/PID/maps, none if it is gone."""
    try:
        return Path(f"/proc/{pid}/maps").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []


@contextmanager
def started(guest: Guest, uml: Uml, tmp_path: Path,
            script: str, *prefix: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A guest that runs a script, from its first line of output on; its kernel."""
    command = uml.command("--mode", guest.mode, "--cpus", str(guest.cpus), "--timeout", "90",
                          "--log", str(tmp_path / "log"), "--", "sh", "-c", script)
    with subprocess.Popen(
            [*prefix, *command],
            stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as runner:
        try:
            assert runner.stdout and runner.stdout.readline()
            yield runner, kernel_of(runner.pid)
        finally:
            runner.terminate()


def go_on(runner: subprocess.Popen[str]) -> str:
    """Lets the script read a line, and waits for its next one."""
    assert runner.stdin and runner.stdout
    runner.stdin.write("go\n")
    runner.stdin.flush()
    return runner.stdout.readline().strip()


def stat(guest: Guest, script: str, **options: object) -> dict[str, int]:
    """The counters of the memory path after a script has run in the guest."""
    done = guest.run(["sh", "-c", f"{script}; cat /sys/kernel/debug/um_tlb/stats"],
                     **options)
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    return {line[0]: int(line[1]) for line in lines
            if len(line) == 2 and line[1].isdigit()}


def test_host_processes_are_used_again(guest: Guest) -> None:
    """A hundred programs, one after the other, do not need a hundred of them."""
    counters = stat(guest, "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done")
    assert counters["views_recycled"] >= 100
    assert counters["views_created"] < 20


def test_pool_can_be_switched_off(guest: Guest) -> None:
    """um_view.pool_max=0 keeps none: each is destroyed, and made anew."""
    counters = stat(guest, "i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i+1)); done",
                    append="um_view.pool_max=0")
    assert counters["views_created"] >= 20


def test_a_burst_is_given_back(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """Of many at once few stay, and what stays is empty but for its stub."""
    script = ("echo up; i=0; while [ $i -lt 30 ]; do sleep 1 & i=$((i+1)); done; wait;"
              "echo over; sleep 40")
    with started(guest, uml, tmp_path, script) as (runner, leader):
        assert runner.stdout and "over" in runner.stdout.readline()
        # init, sh, sleep, and those that are kept
        assert wait_until(lambda: len(host_processes(leader)) <= 6, timeout=25), \
            host_processes(leader)
        empty = [pid for pid in host_processes(leader) if 0 < len(mappings(pid)) <= 4]
        assert empty, [mappings(pid) for pid in host_processes(leader)]
    assert wait_until(lambda: not host_processes(leader))


# Twenty host processes that nobody needs any more
LEFTOVERS = "i=0; while [ $i -lt 20 ]; do sleep 0.5 & i=$((i+1)); done; wait;"


def few(leader: int, most: int) -> bool:
    """Whether the pool shrinks to this much sooner than it would by itself."""
    return wait_until(lambda: len(host_processes(leader)) <= most, timeout=0.7)


def test_pool_gives_back_to_the_shrinker(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """It keeps none when memory is short, and programs run on."""
    script = (f"{LEFTOVERS} echo up; read go; echo 2 > /proc/sys/vm/drop_caches; echo over;"
              f"read go; {LEFTOVERS} echo again; read end")
    with started(guest, uml, tmp_path, script) as (runner, leader):
        assert len(host_processes(leader)) > 12
        assert go_on(runner) == "over"
        # init, sh, and one of which an idle CPU still has the mm
        assert few(leader, 3), host_processes(leader)
        assert go_on(runner) == "again"
    assert_clean((tmp_path / "log").read_text(errors="replace"))


def test_pool_max_at_run_time(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """What is above a lower maximum goes at once; a higher one counts from then on."""
    parameter = "/sys/module/um_view/parameters/pool_max"
    script = (f"{LEFTOVERS} echo up; read go; echo 3 > {parameter}; echo lower; read go;"
              f"{LEFTOVERS} echo still; read go; echo 64 > {parameter}; {LEFTOVERS} echo higher;"
              "read end")
    with started(guest, uml, tmp_path, script) as (runner, leader):
        assert len(host_processes(leader)) > 12
        assert go_on(runner) == "lower"
        # init, sh, the three, and one of which an idle CPU still has the mm
        assert few(leader, 6), host_processes(leader)
        assert go_on(runner) == "still"
        assert few(leader, 6), host_processes(leader)
        assert go_on(runner) == "higher"
        assert len(host_processes(leader)) > 12
    assert_clean((tmp_path / "log").read_text(errors="replace"))


def test_idle_guest_costs_nothing(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """An idle guest uses less than one percent of a host CPU."""
    with started(guest, uml, tmp_path, "echo up; sleep 40") as (_, leader):
        time.sleep(3)
        before = cpu_ticks(leader)
        time.sleep(10)
        assert cpu_ticks(leader) - before < 10


def cpu_ticks(leader: int) -> int:
    """CPU time of all processes of a session, in hundredths of a second."""
    total = 0
    for pid in session_members(leader):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total


def ipis_and_switches(text: str) -> list[tuple[int, int]]:
    """Interrupts that CPUs have sent each other, and context switches, at each reading."""
    rows = [line.split() for line in text.splitlines()]
    sent = [sum(map(int, row[1:3])) for row in rows if row[0] in ("RES:", "CAL:")]
    switched = [int(row[1]) for row in rows if row[0] == "ctxt"]
    return list(zip(map(sum, zip(sent[::2], sent[1::2])), switched))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two host CPUs")
@pytest.mark.parametrize("guest", [("seccomp", 2)], ids=["seccomp-2cpu"], indirect=True)
@pytest.mark.parametrize("what", ("bench_pipe", "bench_fork vfork_exit"), ids=("pipe", "vfork"))
def test_a_cpu_that_is_soon_needed_stays_awake(guest: Guest, what: str) -> None:
    """Processes that take turns send no interrupt each time, once their CPUs have learnt it."""
    read = "grep -E 'RES:|CAL:' /proc/interrupts; grep ctxt /proc/stat"
    script = f"{read}; for i in 1 2 3 4 5; do {what} >/dev/null; {read}; done"
    done = guest.run(["sh", "-c", script])
    assert done.code == 0, done.err
    seen = ipis_and_switches(done.out)
    assert len(seen) == 6
    assert any(5 * (after[0] - before[0]) < after[1] - before[1]
               for before, after in zip(seen, seen[1:])), seen


@pytest.mark.parametrize("guest", [("seccomp", 1)], ids=["seccomp-1cpu"], indirect=True)
def test_one_host_cpu_is_handed_over_awake(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """With one CPU of the host, system calls put neither side to sleep."""
    one = str(min(os.sched_getaffinity(0)))
    with started(guest, uml, tmp_path, "echo up; read go; bench_syscall; read end",
                 "taskset", "-c", one) as (runner, leader):
        assert runner.stdin and runner.stdout
        slept, yielded = switches(leader)
        runner.stdin.write("go\n")
        runner.stdin.flush()
        assert "syscall_null" in runner.stdout.readline()
        slept_now, yielded_now = switches(leader)
    assert yielded_now - yielded > 1000
    assert slept_now - slept < (yielded_now - yielded) / 2


@pytest.mark.parametrize("guest", [("seccomp", 1)], ids=["seccomp-1cpu"], indirect=True)
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs of the host")
def test_placement(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """The two that spin have a CPU each; on a busy host they share one."""
    allowed = os.sched_getaffinity(0)

    def apart() -> bool:
        return len(allowed) - 1 in [len(cpus_of(pid) & allowed)
                                    for pid in host_processes(leader)]

    with started(guest, uml, tmp_path, "echo up; while :; do bench_syscall; done") as (_, leader):
        assert wait_until(apart, timeout=20)
        with busy_processes(2 * len(allowed)):
            assert wait_until(lambda: together(leader), timeout=40)


@pytest.mark.parametrize("guest", [("ptrace", 1)], ids=["ptrace-1cpu"], indirect=True)
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs of the host")
def test_a_traced_process_shares_the_tracers_cpu(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """Tracer and traced process stay on one CPU, and leave it when others use it."""
    with started(guest, uml, tmp_path, "echo up; while :; do bench_syscall; done") as (_, leader):
        assert wait_until(lambda: together(leader), timeout=20)
        for _ in range(3):
            assert wait_until(lambda: len(cpus_of(leader)) == 1, timeout=20)
            taken = cpus_of(leader)
            with busy_processes(1, *taken):
                assert wait_until(lambda: together(leader) and cpus_of(leader) != taken,
                                  timeout=40)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) != 2, reason="needs two host CPUs")
@pytest.mark.parametrize("guest", [("seccomp", 2)], ids=["seccomp-2cpu"], indirect=True)
def test_each_busy_cpu_has_its_own(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """Two virtual CPUs that are busy on two host CPUs do not use the same one."""
    def cpus_of_threads() -> list[set[int]]:
        return [cpus_of(int(task.name)) for task in Path(f"/proc/{leader}/task").iterdir()]

    def each_its_own() -> bool:
        return all({cpu} in cpus_of_threads() for cpu in os.sched_getaffinity(0))

    with started(guest, uml, tmp_path,
                 "echo up; for i in 1 2; do while :; do bench_syscall; done & done; wait"
                 ) as (_, leader):
        assert wait_until(each_its_own, timeout=20)


def together(leader: int) -> bool:
    """A kernel is bound to one CPU, and a host process of its to the same."""
    mine = cpus_of(leader)
    return len(mine) == 1 and mine in [cpus_of(pid) for pid in host_processes(leader)]


def cpus_of(pid: int) -> set[int]:
    """On which CPUs of the host a process may run; none if it is gone."""
    try:
        return os.sched_getaffinity(pid)
    except ProcessLookupError:
        return set()


@contextmanager
def busy_processes(count: int, *cpus: int) -> Iterator[None]:
    """Host processes that do nothing but use CPUs, any or these."""
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    try:
        for process in busy:
            os.sched_setaffinity(process.pid, cpus or os.sched_getaffinity(0))
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def switches(pid: int) -> tuple[int, int]:
    """How often a process went to sleep, and how often it lost the CPU awake."""
    status = dict(line.split(":", 1)
                  for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["voluntary_ctxt_switches"]), int(status["nonvoluntary_ctxt_switches"])


# More sleeping processes at once than the limits allow. A shell that cannot fork ends; the
# outer one is to see that nothing else does, and forks nothing itself until it is told to.
BURST = ('sh -c "echo up; read go; i=0; while [ \\$i -lt 60 ]; do sleep 2 & i=\\$((i+1)); done"'
         " 2>/tmp/refused; read why < /tmp/refused; echo $why; read go;"
         "i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i+1)); done; echo $i; read end")

# The generic kernel passes on no errno of ours. Which of fork and exec is the first to need
# a process that the host does not make depends on what the pool still has.
REFUSED = ("can't fork: Cannot allocate memory", "sleep: Cannot allocate memory")


def check_refused(log: Path) -> None:
    """The log says that the host makes no more processes, and nothing worse."""
    text = log.read_text(errors="replace")
    assert "makes no more processes" in text
    assert_clean(text)


def test_no_more_host_processes(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """Where the host makes no more, fork or exec fails, and the kernel lives.

    The limit is that of open files, which binds root too: to start one needs a
    pipe. The first three are open already.
    """
    with started(guest, uml, tmp_path, BURST) as (runner, leader):
        limit_files(leader, "3:")
        assert go_on(runner).endswith(REFUSED)
        limit_files(leader, "1024:")
        assert go_on(runner) == "20"
    check_refused(tmp_path / "log")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_no_more_processes_of_the_user(guest: Guest, uml: Uml) -> None:
    """The same by RLIMIT_NPROC; forks work again when processes have ended."""
    with tempfile.TemporaryDirectory() as name:
        shared = Path(name)
        shared.chmod(0o777)
        with started(guest, uml, shared, BURST, *as_nobody(nproc=40)) as (runner, _):
            assert go_on(runner).endswith(REFUSED)
            time.sleep(3)
            assert go_on(runner) == "20"
        check_refused(shared / "log")


def as_nobody(nproc: int) -> list[str]:
    """A command prefix: an unprivileged user that may have so many processes."""
    return ["prlimit", f"--nproc={nproc}:{nproc}", "setpriv", "--reuid", "54321",
            "--regid", "54321", "--clear-groups"]


def test_few_host_processes_for_many_vases(guest: Guest, uml: Uml, tmp_path: Path) -> None:
    """Where the host makes no more, a process takes turns with those that it has."""
    with started(guest, uml, tmp_path, "echo up; test_vas_views 1 20; read end") \
            as (runner, leader):
        assert runner.stdin and runner.stdout
        assert next(line for line in runner.stdout if "waiting" in line)
        limit_files(leader, "3:")
        runner.stdin.write("go\n")
        runner.stdin.flush()
        result = next(line for line in runner.stdout if "ok 1" in line)
        limit_files(leader, "1024:")
    assert result == "ok 1 all attached VASes\n"
    log = (tmp_path / "log").read_text(errors="replace")
    assert "makes no more processes" in log
    assert_clean(log)


def pooled(leader: int) -> set[int]:
    """Host processes that map only their stub, or are new and have what the host maps, too."""
    return {pid for pid in host_processes(leader) if 0 < len(mappings(pid)) <= 10}


def used(leader: int) -> set[int]:
    """Those that map more: each belongs to a process, once the pool is emptied."""
    return {pid for pid in host_processes(leader) if len(mappings(pid)) > 10}


def zombies(parent: int) -> list[int]:
    """Children of a process that are dead and were not waited for."""
    found = []
    for pid in children(parent):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] == "Z":
            found.append(pid)
    return found


@pytest.mark.parametrize("victim", ("sleep 5", "sh -c 'while :; do :; done'"),
                         ids=("asleep", "running"))
def test_host_processes_killed_from_outside(guest: Guest, uml: Uml, tmp_path: Path,
                                            victim: str) -> None:
    """Who kills one ends one guest process, and none of those that come later.

    One process loses its host process, and the pool all that it has.
    """
    script = ("i=0; while [ $i -lt 8 ]; do sleep 0.2 & i=$((i+1)); done; wait;"
              f"echo up; read go; sleep 5 & b=$!; echo one; read go; {victim} & a=$!; echo two;"
              "read go; wait $a; a=$?; wait $b; echo $a $?; read go; i=0; good=0;"
              "while [ $i -lt 20 ]; do /bin/true && good=$((good+1)); i=$((i+1)); done;"
              "echo $good; read end")
    with started(guest, uml, tmp_path, script) as (runner, leader):
        assert go_on(runner) == "one"
        # Until the pool has emptied what fork and exec have left behind
        time.sleep(1)
        others = used(leader)
        assert go_on(runner) == "two"
        time.sleep(1)
        doomed = set(host_processes(leader)) - others
        assert used(leader) & doomed and pooled(leader) & doomed
        for pid in doomed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert go_on(runner) == "139 0"
        assert go_on(runner) == "20"
        assert wait_until(lambda: not zombies(leader))
        assert not set(host_processes(leader)) & doomed
    assert wait_until(lambda: not host_processes(leader))
    assert_clean((tmp_path / "log").read_text(errors="replace"), ("lost MM child",))


def limit_files(pid: int, limit: str) -> None:
    """Sets the soft limit of open files of another process."""
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={limit}"], check=True)
