# SPDX-License-Identifier: GPL-2.0-only
"""./uml run and ./uml shell: exit codes, streams, shares, and nothing left behind."""
import fcntl
import hashlib
import os
import pty
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import (REFUSE, Guest, Uml, children, kernel_of, session_members,
                      wait_until)
from kernel_log import trouble_in

ALL_OF_IT = 50 << 20


@pytest.fixture
def own_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory where this test's runs, and no others, keep their files."""
    path = tmp_path / "tmp"
    path.mkdir()
    monkeypatch.setenv("TMPDIR", str(path))
    return path


def heed_signals() -> None:
    """In a new runner: a background job of a shell starts with these ignored."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def sleeper(guest: Guest, own_tmp: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A run whose guest is up and sleeps: the runner, the kernel's process id."""
    command = guest.uml.command("--mode", guest.mode, "--cpus", str(guest.cpus), "--",
                                "sh", "-c", "echo up; sleep 1000 & sleep 1000")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          preexec_fn=heed_signals) as runner:
        assert runner.stdout and runner.stdout.readline() == b"up\n"
        kernel = kernel_of(runner.pid)
        assert len(session_members(kernel)) > 1, "expected the kernel and its helpers"
        yield runner, kernel
        runner.kill()


# ---- exit codes ----

@pytest.mark.parametrize("script, code", [
    ("exit 0", 0), ("exit 7", 7), ("exit 124", 124), ("exit 255", 255),
    ("kill -9 $$", 128 + 9), ("kill -SEGV $$", 128 + 11), ("kill -ABRT $$", 128 + 6)])
def test_exit_code_is_the_commands(uml: Uml, script: str, code: int) -> None:
    """Also a signal's, and also where the runner uses the same number itself."""
    assert uml.run("--", "sh", "-c", script).returncode == code


def test_every_way_of_running(guest: Guest) -> None:
    """The fixture itself: mode, CPUs, code, streams and log in all three ways."""
    done = guest.run(["sh", "-c", "nproc; uname -s; echo err >&2; exit 3"])
    assert (done.code, done.out, done.err) == (3, f"{guest.cpus}\nLinux\n", "err\n")
    assert "Run /sbin/init as init process" in done.log


def test_command_not_found(uml: Uml) -> None:
    """127, as a shell has it."""
    done = uml.run("--", "no-such-program")
    assert done.returncode == 127 and b"no-such-program: No such file" in done.stderr


def test_command_not_executable(uml: Uml) -> None:
    """126, as a shell has it."""
    assert uml.run("--", "/etc").returncode == 126


@pytest.mark.parametrize("arguments, text", [
    (["--"], b"no command"),
    (["--mem", "many", "--", "true"], b"--mem"),
    (["--cpus", "0", "--", "true"], b"--cpus"),
    (["--mode", "ptrace", "--cpus", "2", "--", "true"], b"no SMP"),
    (["--timeout", "-1", "--", "true"], b"--timeout"),
    (["--ro", "/no/such/directory:/mnt", "--", "true"], b"not a directory"),
    (["--ro", "/usr:mnt", "--", "true"], b"absolute"),
    (["--kernel", "/no/such/kernel", "--", "true"], b"/no/such/kernel: no such file"),
    (["--kernel", "/etc/passwd", "--", "true"], b"not executable"),
    (["--image", "/no/such/image", "--", "true"], b"/no/such/image: No such file"),
    (["--log", "/no/such/directory/log", "--", "true"], b"No such file"),
])
def test_host_errors_are_125(uml: Uml, arguments: list[str], text: bytes) -> None:
    """One clear line each."""
    done = uml.run(*arguments)
    assert done.returncode == 125 and text in done.stderr
    assert done.stderr.count(b"\n") == 1 and b"Traceback" not in done.stderr


def test_kernel_that_is_no_uml(uml: Uml, tmp_path: Path) -> None:
    """A kernel that ends before init runs."""
    fake = tmp_path / "linux"
    fake.write_text("#!/bin/sh\necho I am no kernel\n")
    fake.chmod(0o755)
    done = uml.run("--kernel", str(fake), "--", "true")
    assert done.returncode == 125
    assert b"I am no kernel" in done.stderr and b"ended before init ran" in done.stderr


def test_cpus_that_the_kernel_does_not_have(uml: Uml) -> None:
    """Refused, not ignored."""
    done = uml.run("--cpus", "1000", "--", "true")
    assert done.returncode == 125 and b"CPU, not 1000" in done.stderr


def test_timeout(uml: Uml, own_tmp: Path) -> None:
    """124, in about that time, and nothing stays."""
    start = time.monotonic()
    with subprocess.Popen(uml.command("--timeout", "3", "--", "sleep", "1000"),
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as runner:
        assert wait_until(lambda: any(map(children, children(runner.pid))))
        kernel = kernel_of(runner.pid)
        assert runner.wait(timeout=60) == 124
        assert runner.stderr and b"timeout after 3 s" in runner.stderr.read()
    assert 3 <= time.monotonic() - start < 10
    assert session_members(kernel) == [] and list(own_tmp.iterdir()) == []


def test_timeout_with_a_stuck_reader(uml: Uml) -> None:
    """The limit also holds while nobody takes our output."""
    with subprocess.Popen(uml.command("--timeout", "3", "--", "cat", "/dev/zero"),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as runner:
        assert runner.wait(timeout=30) == 124


def test_panic(guest: Guest, own_tmp: Path) -> None:
    """255, the end of the log on stderr, and nothing stays."""
    done = guest.uml.run("--mode", guest.mode, "--cpus", str(guest.cpus), "--", "sh", "-c",
                         "echo before; sleep 1; echo c > /proc/sysrq-trigger")
    assert done.returncode == 255 and done.stdout == b"before\n"
    assert b"Kernel panic - not syncing: sysrq triggered crash" in done.stderr
    assert done.stderr.endswith(b"uml: kernel panic\n")
    assert list(own_tmp.iterdir()) == []


def test_panic_before_init(uml: Uml) -> None:
    """A root that is none: 255 as well, with the kernel's reason."""
    done = uml.run("--append", "root=/dev/ubdh", "--", "true")
    assert done.returncode == 255 and b"Unable to mount root fs" in done.stderr


def test_poweroff_by_the_command(uml: Uml) -> None:
    """A guest that powers itself off ends the run."""
    assert uml.run("--", "sh", "-c", "poweroff; sleep 100").returncode == 0
    assert uml.run("--", "poweroff", "-f").returncode == 0


# ---- streams ----

def test_stdout_and_stderr_are_apart(uml: Uml) -> None:
    """Each byte where it belongs, no carriage return, no kernel message."""
    done = uml.run("--", "sh", "-c", r"printf 'out\n\000\377'; printf 'err\n' >&2")
    assert (done.stdout, done.stderr) == (b"out\n\0\xff", b"err\n")


def test_kernel_messages_stay_out_of_the_output(uml: Uml, tmp_path: Path) -> None:
    """They are in the log file, whatever their level."""
    log = tmp_path / "log"
    done = uml.run("--log", str(log), "--", "sh", "-c",
                   "echo '<0>loud message' > /dev/kmsg; echo out")
    assert (done.stdout, done.stderr) == (b"out\n", b"")
    text = log.read_text()
    assert "loud message" in text and text.count("Linux version") == 1


def test_stdin_round_trip(uml: Uml) -> None:
    """A few MB of every byte value through stdin and back."""
    data = os.urandom(3 << 20) + bytes(range(256)) * 64
    done = uml.run("--", "cat", input=data)
    assert done.returncode == 0 and len(done.stdout) == len(data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_stdin_round_trip_every_way(guest: Guest, tmp_path: Path) -> None:
    """Smaller, but in each mode and on 2 CPUs."""
    data = os.urandom(200_000)
    done = guest.uml.run("--mode", guest.mode, "--cpus", str(guest.cpus), "--", "cat",
                         input=data)
    assert done.returncode == 0 and done.stdout == data


@pytest.mark.parametrize("kind", ["null", "closed", "file", "write-only"])
def test_stdin_of_any_kind(uml: Uml, tmp_path: Path, kind: str) -> None:
    """The guest sees the bytes there are, then the end of file."""
    path = tmp_path / "input"
    path.write_bytes(b"some input\n" if kind == "file" else b"")
    redirect = {"null": "</dev/null", "closed": "<&-", "file": f"<{path}",
                "write-only": f"0>{path}"}[kind]
    command = " ".join(uml.command("--timeout", "30", "--", "cat"))
    done = subprocess.run(["sh", "-c", f"{command} {redirect}"], check=False,
                          capture_output=True, timeout=60)
    assert done.returncode == 0 and done.stdout == path.read_bytes()


def test_stdin_that_nobody_reads(uml: Uml) -> None:
    """A command that ignores its input still ends the run."""
    assert uml.run("--", "true", input=bytes(1 << 20)).returncode == 0


def test_closed_stdout(uml: Uml) -> None:
    """No crash without a stdout."""
    command = " ".join(uml.command("--", "echo", "x"))
    done = subprocess.run(["sh", "-c", f"{command} >&- </dev/null"], check=False,
                          stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_reader_that_goes_away(uml: Uml) -> None:
    """As any program in `... | head -c 1`: the runner ends, silently."""
    command = " ".join(uml.command("--", "cat", "/dev/zero"))
    done = subprocess.run(["bash", "-c", f"{command} </dev/null | head -c 1; "
                           "echo ${PIPESTATUS[0]}"], capture_output=True, check=False,
                          timeout=60)
    assert done.stdout == b"\x00141\n" and done.stderr == b""


def test_large_output_arrives_whole(guest: Guest) -> None:
    """50 MB, to a reader that pauses now and then."""
    command = guest.uml.command("--mode", guest.mode, "--cpus", str(guest.cpus), "--",
                                "dd", "if=/dev/zero", "bs=1M", "count=50")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as runner:
        assert runner.stdout
        total = 0
        while block := runner.stdout.read(1 << 20):
            assert not block.strip(b"\0")
            total += len(block)
            if total % (10 << 20) == 0:
                time.sleep(0.3)
        assert total == ALL_OF_IT and runner.wait() == 0


def test_last_output_is_not_lost(uml: Uml) -> None:
    """What the command writes just before it ends, to a slow reader."""
    with subprocess.Popen(uml.command("--", "sh", "-c", "head -c 300000 /dev/zero; exit 5"),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as runner:
        time.sleep(2)
        assert runner.stdout and len(runner.stdout.read()) == 300_000
        assert runner.wait() == 5


def test_background_process_does_not_hold_the_run(uml: Uml) -> None:
    """The run ends with the command, not with what it left running."""
    start = time.monotonic()
    done = uml.run("--", "sh", "-c", "sleep 1000 & yes > /dev/null & echo done")
    assert done.stdout == b"done\n" and time.monotonic() - start < 20


@pytest.mark.parametrize("words", [["a b", "", "it's", '"q"', "$HOME", "*", "-x", "--"],
                                   ["\\n\n", "ümläut"], ["x" * 100_000]])
def test_arguments_arrive_as_given(uml: Uml, words: list[str]) -> None:
    """No shell in between."""
    done = uml.run("--", "printf", "%s\\0", *words)
    assert done.stdout == b"".join(word.encode() + b"\0" for word in words)


def test_no_terminal_at_all(uml: Uml) -> None:
    """In a session without a terminal, as under cron."""
    done = uml.run("--", "sh", "-c", "tty; echo $?", start_new_session=True)
    assert done.stdout == b"not a tty\n1\n"


def test_guest_surroundings(uml: Uml) -> None:
    """What init promises: mounts, loopback, directory, user."""
    done = uml.run("--", "sh", "-c", "pwd; id -u; hostname; ping -c 1 127.0.0.1 >/dev/null "
                   "&& echo lo; for d in proc sys sys/kernel/debug dev tmp; do "
                   "grep -c \" /$d \" /proc/mounts; done; touch /tmp/x /x && echo writable")
    assert done.stdout.split() == [b"/", b"0", b"uml", b"lo", *[b"1"] * 5, b"writable"]


# ---- shares and the image ----

@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A host directory with one file."""
    path = tmp_path / "share, with a blank"
    path.mkdir()
    (path / "file").write_text("from the host\n")
    return path


def test_ro_reads_and_refuses_writes(uml: Uml, share: Path) -> None:
    """The mount point is made on the way."""
    done = uml.run("--ro", f"{share}:/mnt/a/b", "--", "sh", "-c",
                   "cat /mnt/a/b/file; echo x > /mnt/a/b/new; rm -f /mnt/a/b/file")
    assert done.stdout == b"from the host\n"
    assert done.stderr.count(b"Read-only file system") == 2
    assert [path.name for path in share.iterdir()] == ["file"]


def test_ro_holds_against_root(uml: Uml, share: Path, landlock: None) -> None:
    """The guest's root remounts it, and the host still refuses."""
    done = uml.run("--ro", f"{share}:/mnt", "--", "sh", "-c",
                   "mount -o remount,rw /mnt && echo remounted; echo x > /mnt/new; "
                   "echo x >> /mnt/file; rm -f /mnt/file; mkdir /mnt/d")
    assert done.stdout == b"remounted\n"
    assert [path.name for path in share.iterdir()] == ["file"]
    assert (share / "file").read_text() == "from the host\n"


def test_ro_without_landlock(uml: Uml, share: Path) -> None:
    """The run goes on, and says what it cannot promise."""
    command = uml.command("--ro", f"{share}:/mnt", "--", "cat", "/mnt/file")
    done = subprocess.run([*REFUSE, "landlock", *command], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"from the host\n")
    assert b"no Landlock" in done.stderr


def test_rw_writes_through(uml: Uml, share: Path) -> None:
    """What the command wrote is on the host when the run is over."""
    data = os.urandom(1 << 20)
    done = uml.run("--rw", f"{share}:/mnt", "--", "sh", "-c",
                   "cat > /mnt/new; mkdir /mnt/d; mv /mnt/file /mnt/d/moved", input=data)
    assert done.returncode == 0, done.stderr
    assert (share / "new").read_bytes() == data
    assert (share / "d" / "moved").read_text() == "from the host\n"


def test_rest_of_the_host_is_out_of_reach(uml: Uml, share: Path, landlock: None) -> None:
    """The guest's root cannot mount a host directory that was not shared."""
    secret = share.parent / "secret"
    secret.mkdir()
    (secret / "s").write_text("secret")
    done = uml.run("--rw", f"{share}:/mnt", "--", "sh", "-c",
                   f"mkdir /x; mount -t hostfs none /x -o '{secret}'; cat /x/s; echo y > /x/t")
    assert b"secret" not in done.stdout and not (secret / "t").exists()


def test_share_that_cannot_be_mounted(uml: Uml, share: Path) -> None:
    """125 with the guest's reason, and the command is not run."""
    done = uml.run("--ro", f"{share}:/bin/busybox", "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (125, b"")
    assert b"cannot mount" in done.stderr and b"Not a directory" in done.stderr


def test_further_disk(uml: Uml, tmp_path: Path) -> None:
    """A host file that --append names can be read and written."""
    disk = tmp_path / "disk"
    disk.write_bytes(b"from the host".ljust(1 << 20, b"\0"))
    done = uml.run("--append", f"ubd1={disk}", "--", "sh", "-c",
                   "head -c 13 /dev/ubdb; echo back > /dev/ubdb; sync")
    assert done.stdout == b"from the host" and disk.read_bytes()[:5] == b"back\n"


SECTOR = 512


def patterned(sectors: int, what: str) -> bytes:
    """Sectors that say what and which they are."""
    return b"".join(f"{what}{i:014d}\n".encode() * (SECTOR // 16) for i in range(sectors))


@pytest.mark.parametrize("odd_bytes", (0, 100, SECTOR + 1))
def test_disk_of_two_files(uml: Uml, tmp_path: Path, odd_bytes: int) -> None:
    """What a copy-on-write disk has of its own, and what its backing file, to its odd end.

    Written are runs of sectors that begin and end anywhere in the segments of 32 KiB in
    which they are read again.
    """
    sectors = 4096 + 5
    runs = ((1, 1), (3, 1), (5, 2), (62, 5), (127, 1), (193, 63), (1000, 7), (2047, 130),
            (sectors - 1, 1))
    backing, share = tmp_path / "backing", tmp_path / "share"
    old = patterned(sectors, "o") + b"x" * odd_bytes
    backing.write_bytes(old)
    share.mkdir()
    new = patterned(sectors, "n")
    (share / "new").write_bytes(new)

    expected = bytearray(old + bytes(-len(old) % SECTOR))
    script = "set -e; "
    for at, count in runs:
        expected[at * SECTOR:(at + count) * SECTOR] = new[at * SECTOR:(at + count) * SECTOR]
        script += (f"dd if=/mnt/new of=/dev/ubdb bs={SECTOR} skip={at} seek={at} count={count}"
                   " oflag=direct conv=notrunc 2>/dev/null; ")
    script += "echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/ubdb bs=1M 2>/dev/null"
    done = uml.run("--ro", f"{share}:/mnt", "--append", f"ubd1=cow1,{backing}",
                   "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    wrong = [i for i in range(len(expected) // SECTOR)
             if done.stdout[i * SECTOR:][:SECTOR] != expected[i * SECTOR:][:SECTOR]]
    assert len(done.stdout) == len(expected) and not wrong, wrong
    assert backing.read_bytes() == old


def digest(path: Path) -> str:
    """Hash of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_image_is_not_changed(uml: Uml) -> None:
    """A run that writes to its root leaves no trace in the image."""
    before, mtime = digest(uml.image), uml.image.stat().st_mtime_ns
    done = uml.run("--", "sh", "-c", "echo x > /probe; rm /bin/ls; sync; cat /probe; "
                   "test -e /bin/ls")
    assert (done.stdout, done.returncode) == (b"x\n", 1)
    assert digest(uml.image) == before and uml.image.stat().st_mtime_ns == mtime
    assert uml.run("--", "sh", "-c", "test -e /bin/ls && ! test -e /probe").returncode == 0


def test_write_image(uml: Uml, tmp_path: Path) -> None:
    """With --write-image it stays, and the file system is clean."""
    copy = tmp_path / "image"
    shutil.copy(uml.image, copy)
    own = Uml(uml.kernel, copy)
    assert own.run("--write-image", "--", "sh", "-c", "echo kept > /probe").returncode == 0
    assert own.run("--", "cat", "/probe").stdout == b"kept\n"
    check = subprocess.run(["e2fsck", "-fn", str(copy)], capture_output=True, check=False,
                           env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    assert check.returncode == 0, check.stdout


def test_one_writer_of_the_image(uml: Uml, tmp_path: Path) -> None:
    """While one run writes the image no other run gets it, in either order."""
    copy = tmp_path / "image"
    shutil.copy(uml.image, copy)
    own = Uml(uml.kernel, copy)
    for first, second in (("--write-image", ""), ("", "--write-image")):
        with subprocess.Popen(own.command(*filter(None, [first]), "--", "cat"),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as runner:
            assert wait_until(lambda r=runner: bool(children(r.pid)))
            done = own.run(*filter(None, [second]), "--", "true")
            assert done.returncode == 125 and b"run" in done.stderr
            assert runner.stdin
            runner.stdin.close()
            assert runner.wait(timeout=60) == 0


# ---- nothing stays behind ----

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                                    signal.SIGKILL])
def test_killed_runner_leaves_nothing(sleeper: tuple[subprocess.Popen[bytes], int],
                                      own_tmp: Path, number: int) -> None:
    """No process and no file, whatever ends the runner."""
    runner, kernel = sleeper
    assert list(own_tmp.iterdir()) == [], "a running guest needs no files by name"
    runner.send_signal(number)
    assert runner.wait(timeout=10) == -number
    assert wait_until(lambda: session_members(kernel) == []), session_members(kernel)
    assert list(own_tmp.iterdir()) == []


def test_killed_kernel_leaves_nothing(
        sleeper: tuple[subprocess.Popen[bytes], int]) -> None:
    """The kernel process itself is killed: 255, and its helpers go with it."""
    runner, kernel = sleeper
    os.kill(kernel, signal.SIGKILL)
    assert runner.wait(timeout=10) == 255
    assert wait_until(lambda: session_members(kernel) == []), session_members(kernel)


@pytest.mark.parametrize("delay_ms", range(0, 300, 25))
def test_runner_killed_at_any_moment(guest: Guest, own_tmp: Path, delay_ms: int) -> None:
    """Also in the middle of the boot, and while processes come and go."""
    command = guest.uml.command("--mode", guest.mode, "--cpus", str(guest.cpus), "--",
                                "sh", "-c", "while :; do /bin/busybox true; done")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as runner:
        assert wait_until(lambda: any(map(children, children(runner.pid))))
        keeper, = children(runner.pid)
        kernel = kernel_of(runner.pid)
        time.sleep(delay_ms / 1000)
        runner.kill()
    assert wait_until(lambda: session_members(keeper) == [])
    assert session_members(kernel) == [] and list(own_tmp.iterdir()) == []


def test_nothing_in_the_home_directory(uml: Uml, tmp_path: Path) -> None:
    """UML would make ~/.uml."""
    done = uml.run("--", "true", env={**os.environ, "HOME": str(tmp_path)})
    assert done.returncode == 0 and list(tmp_path.iterdir()) == []


# As in a container.
SMALL_SHM = "mount -t tmpfs -o size=64M tmpfs /dev/shm && "


def test_small_shm(uml: Uml, private_mounts: tuple[str, ...]) -> None:
    """A guest that fills 300 MB lives, though /dev/shm has 64."""
    fill = "'dd if=/dev/zero of=/tmp/x bs=1M count=300 2>/dev/null && echo filled'"
    command = " ".join(uml.command("--", "sh", "-c", fill))
    done = subprocess.run([*private_mounts, f"{SMALL_SHM} {command} </dev/null"],
                          capture_output=True, check=False, timeout=120,
                          env={"PATH": os.environ["PATH"]})
    assert (done.returncode, done.stdout) == (0, b"filled\n"), done.stderr


def test_no_room_anywhere(uml: Uml, tmp_path: Path) -> None:
    """With no place for a memory file a kernel that needs one is not started."""
    fake = tmp_path / "linux"
    fake.write_text("#!/bin/sh\n# vm_file-XXXXXX is what the runner looks for\n")
    fake.chmod(0o755)
    done = uml.run("--kernel", str(fake), "--mem", "1000000G", "--", "true")
    assert done.returncode == 125 and done.stderr.count(b"\n") == 1
    for part in (b"no place for 1000000 GiB", b"/dev/shm has ", b"TMPDIR"):
        assert part in done.stderr


# ---- shell ----

def talk(master: int, until: bytes, timeout: float = 30) -> bytes:
    """Reads from a terminal until the text shows up."""
    seen, end = b"", time.monotonic() + timeout
    while until not in seen:
        assert time.monotonic() < end, f"no {until!r} in {seen!r}"
        if select.select([master], [], [], 0.2)[0]:
            try:
                seen += os.read(master, 4096)
            except OSError:
                break
    return seen


def test_shell_on_a_terminal(uml: Uml) -> None:
    """Prompt, echo, size, Ctrl-C, exit code; the terminal is as before."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, 0x5414, b"\x21\x00\x43\x00\x00\x00\x00\x00")    # TIOCSWINSZ: 33, 67
    before = subprocess.run(["stty", "-g"], stdin=slave, capture_output=True, check=True)
    with subprocess.Popen(uml.command("--timeout", "60", action="shell"), stdin=slave,
                          stdout=slave, stderr=slave, start_new_session=True) as runner:
        talk(master, b"# ")
        os.write(master, b"stty size; tty\n")
        assert b"33 67\r\n/dev/pts/" in talk(master, b"/dev/pts/0\r\n")
        fcntl.ioctl(slave, 0x5414, b"\x15\x00\x2a\x00\x00\x00\x00\x00")    # 21, 42
        runner.send_signal(signal.SIGWINCH)
        time.sleep(0.5)
        os.write(master, b"stty size\n")
        talk(master, b"21 42\r\n")
        os.write(master, b"sleep 1000\n")
        talk(master, b"sleep 1000")
        time.sleep(0.5)
        os.write(master, b"\x03")
        talk(master, b"# ")
        os.write(master, b"echo code $?; exit 9\n")
        assert b"code 130" in talk(master, b"code 130")
        assert runner.wait(timeout=30) == 9
    after = subprocess.run(["stty", "-g"], stdin=slave, capture_output=True, check=True)
    assert after.stdout == before.stdout
    os.close(master)
    os.close(slave)


def test_shell_without_a_terminal(uml: Uml) -> None:
    """A script on stdin."""
    done = subprocess.run(uml.command(action="shell"), input=b"echo $((6 * 7))\nexit 4\n",
                          capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (4, b"42\n")


# ---- the check of the kernel log ----

@pytest.mark.parametrize("line", [
    "[    1.0] BUG: sleeping function called from invalid context at mm/x.c:1",
    "[    1.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2",
    "[    1.0] WARNING: CPU: 0 PID: 1 at mm/vas/x.c:1 f+0x1/0x2",
    "[    1.0] WARNING: possible circular locking dependency detected",
    "[    1.0] WARNING: suspicious RCU usage",
    "[    1.0] Oops: general protection fault",
    "[    1.0] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "[    1.0] unreferenced object 0x62ab1200 (size 96):",
    "[    1.0] Unexpectedly lost MM child! Affected tasks:",
    "[    1.0] UBSAN: shift-out-of-bounds in x.c:1:2",
    "[    1.0] INFO: task cat:12 blocked for more than 120 seconds.",
    "[    1.0] rcu: INFO: rcu_sched self-detected stall on CPU",
    "[    1.0] um: tlb: mmap of 4096 bytes failed: errno 12",
])
def test_log_check_finds(line: str) -> None:
    """Each kind of trouble."""
    assert trouble_in("[    0.5] all is well\n" + line + "\n")
    assert not trouble_in(line, allow=(r".",))


def test_log_check_on_a_real_log(uml: Uml, tmp_path: Path) -> None:
    """Nothing in a good boot; a provoked warning is found."""
    log = tmp_path / "log"
    uml.run("--log", str(log), "--", "true")
    assert trouble_in(log.read_text()) == []
    uml.run("--log", str(log), "--", "sh", "-c",
            "echo 'BUG: made up by a test' > /dev/kmsg")
    assert len(trouble_in(log.read_text())) == 1
