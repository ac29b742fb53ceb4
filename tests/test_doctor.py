# SPDX-License-Identifier: GPL-2.0-only
"""./uml doctor: ok on a good host, and each trouble that can be made is found."""
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import REFUSE, UML

NEEDED = ("gcc", "make", "flex", "bison", "bc", "perl", "patch", "tar", "xz", "busybox",
          "pytest")


def doctor(prefix: tuple[str, ...] = (), **options: object) -> tuple[int, str]:
    """Exit code and report."""
    done = subprocess.run([*prefix, str(UML), "doctor"], capture_output=True, text=True,
                          check=False, timeout=60, **options)
    assert done.stderr == ""
    return done.returncode, done.stdout


def lines(report: str, state: str) -> list[str]:
    """Findings of one state."""
    return [line[6:] for line in report.splitlines() if line.startswith(f"{state:4}  ")]


def path_without(tmp_path: Path, missing: str) -> dict[str, str]:
    """An environment in whose PATH one tool is missing."""
    for name in NEEDED:
        real = shutil.which(name)
        if real and name != missing:
            (tmp_path / name).symlink_to(real)
    return {**os.environ, "PATH": str(tmp_path)}


def test_good_host() -> None:
    """The host that runs the tests can run guests."""
    code, report = doctor()
    assert code == 0 and lines(report, "fail") == [], report
    for word in ("memory file", "seccomp", "ptrace", "vm.max_map_count", "free memory",
                 "limit of processes", "tools: gcc", "linux", "rootfs.ext4"):
        assert word in report


@pytest.mark.parametrize("tool", NEEDED)
def test_missing_tool(tmp_path: Path, tool: str) -> None:
    """Named, with the package that has it."""
    code, report = doctor(env=path_without(tmp_path, tool))
    assert code == 1 and lines(report, "fail") == [f"{tool} is missing"], report
    assert "mend: apt-get install" in report


def test_busybox_must_be_static(tmp_path: Path) -> None:
    """A dynamic one would not run in the image."""
    environment = path_without(tmp_path, "busybox")
    (tmp_path / "busybox").symlink_to("/bin/ls")
    code, report = doctor(env=environment)
    assert code == 1 and lines(report, "fail") == ["busybox is not static"]


def test_low_limits() -> None:
    """A file size limit kills the guest; few processes hamper it."""
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        resource.setrlimit(resource.RLIMIT_NPROC, (100, 100))
    code, report = doctor(preexec_fn=lower)
    assert code == 1
    assert any("file size" in line for line in lines(report, "fail")), report
    assert any("processes" in line for line in lines(report, "warn")), report


def test_low_address_space() -> None:
    """UML maps the guest's memory and more."""
    code, report = doctor(preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_AS, (1 << 30, 1 << 30)))
    assert code == 1 and any("address space" in line for line in lines(report, "fail"))


@pytest.mark.parametrize("option, text", [
    ("size=64M", "/dev/shm has 64 MiB free"), ("noexec", "/dev/shm is mounted noexec")])
def test_bad_shm(private_mounts: tuple[str, ...], option: str, text: str) -> None:
    """Found, and the way to mend it is shown."""
    environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
    script = f'mount -t tmpfs -o {option} tmpfs /dev/shm && exec "$0" "$@"'
    _, report = doctor((*private_mounts, script), env=environment)
    assert any(text in line for line in lines(report, "warn")), report
    assert "remount,exec,size=2g /dev/shm" in report


@pytest.mark.parametrize("refused, warns, fails", [
    ("seccomp,ptrace", [], ["seccomp", "ptrace"]), ("seccomp", ["seccomp"], []),
    ("ptrace", ["ptrace"], []), ("landlock", ["Landlock"], [])])
def test_refusing_host(refused: str, warns: list[str], fails: list[str]) -> None:
    """UML needs seccomp or ptrace; Landlock is good to have."""
    code, report = doctor((*REFUSE, refused))
    assert code == bool(fails)
    for state, words in (("warn", warns), ("fail", fails)):
        for word in words:
            assert any(word in line for line in lines(report, state)), report
