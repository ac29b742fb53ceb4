# SPDX-License-Identifier: GPL-2.0-only
"""The scripts that get the kernel source, lay the tree, and try a port: mostly
how they fail. They run on tiny archives and trees, without a network."""
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
UPSTREAM = "".join(f"line {number}\n" for number in range(1, 21))


def run(script: str, *arguments: str | Path, path: Path | None = None
        ) -> subprocess.CompletedProcess[str]:
    """Run a script; with path, its programs come before all others."""
    environment = dict(os.environ)
    if path:
        environment["PATH"] = f"{path}:{environment['PATH']}"
    return subprocess.run([SCRIPTS / script, *arguments], text=True, timeout=60,
                          capture_output=True, stdin=subprocess.DEVNULL,
                          env=environment, check=False)


def load(script: str) -> ModuleType:
    """A script as a module."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        loader = SourceFileLoader(script.replace("-", "_"), str(SCRIPTS / script))
        spec = spec_from_loader(loader.name, loader)
        assert spec
        module = module_from_spec(spec)
        loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(SCRIPTS))


def put(path: Path, text: str) -> Path:
    """Write a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def program(directory: Path, name: str, script: str) -> None:
    """A program that stands in for another."""
    put(directory / name, f"#!/bin/sh\n{script}\n").chmod(0o755)


def kernel_tree(top: Path, version: str) -> Path:
    """A source tree of a few files."""
    numbers = zip(("VERSION", "PATCHLEVEL", "SUBLEVEL"), version.split("."))
    put(top / "Makefile", "".join(f"{key} = {value}\n" for key, value in numbers))
    put(top / "kernel/fork.c", UPSTREAM)
    put(top / "kernel/exit.c", UPSTREAM)
    put(top / "arch/um/kernel/tlb.c", "stock\n")
    # Content that does not compress, so that an archive can be cut in it.
    (top / "zz").write_bytes(os.urandom(300_000))
    return top


def kernel_tarball(directory: Path, version: str) -> Path:
    """That tree as an archive."""
    top = kernel_tree(directory / f"linux-{version}", version)
    tarball = directory / f"linux-{version}.tar.xz"
    with tarfile.open(tarball, "w:xz") as tar:
        tar.add(top, top.name)
    return tarball


def hook(line: int, context: str = "line", old: str = "line", file: str = "kernel/fork.c"
         ) -> str:
    """A patch that changes one line, with three lines of context."""
    before = "".join(f" {context} {n}\n" for n in range(line - 3, line))
    after = "".join(f" {context} {n}\n" for n in range(line + 1, line + 4))
    return (f"Why it is needed.\n\n--- a/{file}\n+++ b/{file}\n"
            f"@@ -{line - 3},7 +{line - 3},7 @@\n"
            f"{before}-{old} {line}\n+hooked {line}\n{after}")


# ---- fetch-source ---------------------------------------------------------


def left_behind(build: Path) -> list[str]:
    """What a failed fetch-source left, but for its empty frame."""
    return sorted(str(path.relative_to(build)) for path in build.rglob("*")
                  if str(path.relative_to(build)) not in ("dl", "src", "src/lock"))


def assert_one_line(result: subprocess.CompletedProcess[str], words: str) -> None:
    """The step failed with one line on stderr that says so."""
    assert result.returncode == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_fetch_unpacks_a_given_archive_once(tmp_path: Path) -> None:
    tarball, build = kernel_tarball(tmp_path, "7.3.9"), tmp_path / "build"
    first = run("fetch-source", tarball, "--build", build)
    assert first.returncode == 0, first.stderr
    assert (build / "src/stock/kernel/fork.c").read_text() == UPSTREAM
    assert "Linux 7.3.9" in (build / "src/stock.source").read_text()
    put(build / "src/stock/mark", "")
    again = run("fetch-source", tarball, "--build", build)
    assert (again.returncode, again.stdout) == (0, "")
    assert run("fetch-source", "--build", build).stdout == ""
    assert (build / "src/stock/mark").exists()


def test_fetch_replaces_the_tree_and_what_was_built(tmp_path: Path) -> None:
    build = tmp_path / "build"
    run("fetch-source", kernel_tarball(tmp_path, "7.3.1"), "--build", build)
    put(build / "stock/kernel/fork.o", "")
    put(build / "src/uml-vas/Makefile", "")
    other = run("fetch-source", kernel_tarball(tmp_path, "7.3.2"), "--build", build)
    assert other.returncode == 0, other.stderr
    assert "SUBLEVEL = 2" in (build / "src/stock/Makefile").read_text()
    assert not (build / "stock").exists()
    assert not (build / "src/uml-vas").exists()


def test_fetch_refuses_another_series(tmp_path: Path) -> None:
    result = run("fetch-source", kernel_tarball(tmp_path, "7.2.5"),
                 "--build", tmp_path / "build")
    assert_one_line(result, "is Linux 7.2.5, wrong series: 7.3 is needed")
    assert left_behind(tmp_path / "build") == []


@pytest.mark.parametrize("kept", [0, 100, 100_000, 250_000])
def test_fetch_refuses_a_cut_archive(tmp_path: Path, kept: int) -> None:
    tarball = kernel_tarball(tmp_path, "7.3.4")
    os.truncate(tarball, kept)
    result = run("fetch-source", tarball, "--build", tmp_path / "build")
    assert_one_line(result, "damaged archive")
    assert left_behind(tmp_path / "build") == []


def test_fetch_refuses_what_is_no_kernel(tmp_path: Path) -> None:
    put(tmp_path / "other-1.0/README", "")
    tarball = Path(shutil.make_archive(str(tmp_path / "other"), "xztar", tmp_path, "other-1.0"))
    result = run("fetch-source", tarball, "--build", tmp_path / "build")
    assert_one_line(result, "not a kernel source archive")
    result = run("fetch-source", tmp_path / "none.tar.xz", "--build", tmp_path / "build")
    assert_one_line(result, "No such file or directory")
    assert left_behind(tmp_path / "build") == []


def test_fetch_keeps_the_old_tree_when_a_new_one_fails(tmp_path: Path) -> None:
    build = tmp_path / "build"
    run("fetch-source", kernel_tarball(tmp_path, "7.3.1"), "--build", build)
    bad = kernel_tarball(tmp_path, "7.3.2")
    os.truncate(bad, 250_000)
    assert run("fetch-source", bad, "--build", build).returncode == 1
    assert "SUBLEVEL = 1" in (build / "src/stock/Makefile").read_text()
    assert sorted(os.listdir(build / "src")) == ["lock", "stock", "stock.source"]


def test_fetch_looks_at_the_free_space_first(tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_source = load("fetch-source")
    monkeypatch.setattr(fetch_source.shutil, "disk_usage",
                        lambda _: shutil._ntuple_diskusage(10**10, 10**10 - 10**9, 10**9))
    (tmp_path / "src").mkdir()
    with pytest.raises(SystemExit, match="disk full: 1.9 GB are needed .* 1.0 GB are free"):
        fetch_source.fetch(tmp_path, kernel_tarball(tmp_path, "7.3.4"))
    assert os.listdir(tmp_path / "src") == []


def test_fetch_tells_when_the_disk_fills_up(tmp_path: Path) -> None:
    program(tmp_path / "bin", "tar",
            "echo 'tar: x: Cannot write: No space left on device' >&2; exit 2")
    result = run("fetch-source", kernel_tarball(tmp_path, "7.3.4"),
                 "--build", tmp_path / "build", path=tmp_path / "bin")
    assert_one_line(result, "disk full while unpacking")
    assert left_behind(tmp_path / "build") == []


def test_fetch_without_a_network(tmp_path: Path) -> None:
    """apt's answer is for real, only the mirror is one that nobody serves."""
    program(tmp_path / "bin", "apt-get",
            '[ "$1" = indextargets ] && echo sid main http://127.0.0.1:9/debian/ && exit\n'
            'exec /usr/bin/apt-get "$@"')
    result = run("fetch-source", "--build", tmp_path / "build", path=tmp_path / "bin")
    assert_one_line(result, "cannot reach the Debian archive, is there a network?")
    assert "make LINUX_TARBALL=" in result.stderr
    assert left_behind(tmp_path / "build") == []


def test_fetch_without_a_debian_mirror(tmp_path: Path) -> None:
    program(tmp_path / "bin", "apt-get", "echo stable contrib http://127.0.0.1:9/else/")
    result = run("fetch-source", "--build", tmp_path / "build", path=tmp_path / "bin")
    assert_one_line(result, "has no mirror of the Debian archive")
    assert left_behind(tmp_path / "build") == []


# ---- lay-tree -------------------------------------------------------------


class Project:
    """Our files and patches beside a pristine tree, as lay-tree meets them."""

    def __init__(self, top: Path) -> None:
        self.root = top / "project"
        self.build = top / "build"
        self.stock = kernel_tree(self.build / "src/stock", "7.3.4")
        self.tree = self.build / "src/uml-vas"
        self.hooks: dict[str, str] = {}

    def hook(self, name: str, text: str) -> None:
        """Add a hook at the end of the series, or change it."""
        put(self.root / "patches" / name, text)
        self.hooks[name] = text
        self.write_series()

    def write_series(self) -> None:
        """patches/series from self.hooks."""
        put(self.root / "patches/series", "# in order\n\n"
            + "".join(f"{name}\n" for name in self.hooks))

    def lay(self) -> subprocess.CompletedProcess[str]:
        """Run lay-tree."""
        return run("lay-tree", "--root", self.root, "--build", self.build)

    def lay_well(self) -> set[str]:
        """Run lay-tree; return the files that look new or have gone."""
        before = self.times()
        result = self.lay()
        assert result.returncode == 0, result.stderr
        after = self.times()
        return {file for file in before.keys() | after.keys()
                if before.get(file) != after.get(file)}

    def times(self) -> dict[str, tuple[int, int]]:
        """Inode and modification time of all files of the tree."""
        return {str(path.relative_to(self.tree)):
                (path.stat().st_ino, path.stat().st_mtime_ns)
                for path in self.tree.rglob("*") if path.is_file()}

    def read(self, file: str) -> str:
        """A file of the tree."""
        return (self.tree / file).read_text()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one hook and two files, one of them upstream's too."""
    made = Project(tmp_path)
    made.hook("fork.patch", hook(10))
    put(made.root / "mm/vas/object.c", "ours\n")
    put(made.root / "arch/um/kernel/tlb.c", "ours\n")
    result = made.lay()
    assert result.returncode == 0, result.stderr
    return made


def test_lay_leaves_the_pristine_tree_alone(project: Project) -> None:
    assert "hooked 10" in project.read("kernel/fork.c")
    assert project.read("mm/vas/object.c") == "ours\n"
    assert project.read("arch/um/kernel/tlb.c") == "ours\n"
    assert (project.stock / "kernel/fork.c").read_text() == UPSTREAM
    assert (project.stock / "arch/um/kernel/tlb.c").read_text() == "stock\n"
    assert not (project.stock / "mm").exists()
    assert (project.tree / "zz").samefile(project.stock / "zz")


def test_lay_again_changes_nothing(project: Project) -> None:
    assert project.lay_well() == set()


def test_lay_renews_just_the_edited_file(project: Project) -> None:
    put(project.root / "mm/vas/object.c", "ours, edited\n")
    assert project.lay_well() == {"mm/vas/object.c"}
    assert project.read("mm/vas/object.c") == "ours, edited\n"


def test_lay_renews_just_what_a_changed_hook_touches(project: Project) -> None:
    project.hook("exit.patch", hook(5, file="kernel/exit.c"))
    assert project.lay_well() == {"kernel/exit.c"}
    project.hook("exit.patch", hook(6, file="kernel/exit.c"))
    assert project.lay_well() == {"kernel/exit.c"}
    assert "hooked 6" in project.read("kernel/exit.c")
    assert "hooked 5" not in project.read("kernel/exit.c")


def test_lay_gives_back_what_a_removed_hook_touched(project: Project) -> None:
    old = (project.stock / "kernel/fork.c").stat().st_mtime_ns
    project.hooks.clear()
    project.write_series()
    assert project.lay_well() == {"kernel/fork.c"}
    assert project.read("kernel/fork.c") == UPSTREAM
    # kbuild must see that it is newer than the object of the hooked one.
    assert (project.tree / "kernel/fork.c").stat().st_mtime_ns > old


def test_lay_takes_a_removed_file_of_ours_away(project: Project) -> None:
    shutil.rmtree(project.root / "mm")
    (project.root / "arch/um/kernel/tlb.c").unlink()
    assert project.lay_well() == {"mm/vas/object.c", "arch/um/kernel/tlb.c"}
    assert not (project.tree / "mm").exists()
    assert project.read("arch/um/kernel/tlb.c") == "stock\n"
    assert project.lay_well() == set()


def test_lay_mends_an_interrupted_run(project: Project) -> None:
    """A file was laid, and then gone from ours before the run had ended."""
    manifest = project.build / "src/uml-vas.manifest"
    new = put(project.root / "mm/new.c", "new\n")
    blocked = project.tree / "mm/zz.c.laying"
    put(project.root / "mm/zz.c", "never laid\n")
    blocked.mkdir()
    assert project.lay().returncode != 0
    assert project.read("mm/new.c") == "new\n"
    new.unlink()
    (project.root / "mm/zz.c").unlink()
    blocked.rmdir()
    assert project.lay_well() == {"mm/new.c"}
    assert "mm/new.c" not in manifest.read_text()


@pytest.mark.parametrize("text", [
    pytest.param(hook(10, context="other"), id="fuzz"),
    pytest.param(hook(10, old="other"), id="reject"),
    pytest.param(hook(10, file="kernel/none.c"), id="no-file"),
    pytest.param(hook(10) + "garbage" * 3 + "\n@@ -90,7", id="malformed"),
    pytest.param("no diff at all\n", id="empty"),
])
def test_lay_names_the_hook_that_does_not_apply(project: Project, text: str) -> None:
    before = project.times()
    project.hook("bad.patch", text)
    result = project.lay()
    assert result.returncode == 1
    assert result.stderr.startswith("lay-tree: hook bad.patch")
    assert project.times() == before


def test_lay_names_a_hook_that_is_missing(project: Project) -> None:
    project.hooks["gone.patch"] = ""
    project.write_series()
    assert_one_line(project.lay(), "names gone.patch, which does not exist")


def test_lay_refuses_a_file_that_is_ours_and_hooked(project: Project) -> None:
    put(project.root / "kernel/fork.c", "ours\n")
    assert_one_line(project.lay(), "kernel/fork.c is a file of ours and touched by a hook")


def test_lay_adds_and_removes_files_by_hook(project: Project) -> None:
    project.hook("new.patch", "--- /dev/null\n+++ b/lib/new.c\n@@ -0,0 +1 @@\n+new\n")
    gone = "".join(f"-{line}\n" for line in UPSTREAM.splitlines())
    project.hook("gone.patch", f"--- a/kernel/exit.c\n+++ /dev/null\n@@ -1,20 +0,0 @@\n{gone}")
    assert project.lay_well() == {"lib/new.c", "kernel/exit.c"}
    assert project.read("lib/new.c") == "new\n"
    assert not (project.tree / "kernel/exit.c").exists()
    assert (project.stock / "kernel/exit.c").exists()


# ---- port -----------------------------------------------------------------


def test_port_says_of_each_hook_whether_it_applies(project: Project, tmp_path: Path) -> None:
    project.hook("exit.patch", hook(5, file="kernel/exit.c"))
    other = kernel_tree(tmp_path / "linux-7.4.0", "7.4.0")
    put(other / "kernel/exit.c", "new first line\nand a second\n" + UPSTREAM)
    tarball = tmp_path / "linux-7.4.0.tar.xz"
    with tarfile.open(tarball, "w:xz") as tar:
        tar.add(other, other.name)
    result = run("port", "--root", project.root, tarball)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "port: the hooks on Linux 7.4.0", "  fork.patch: applies",
        "  exit.patch: applies, offset 2", "port: 2 of 2 hooks apply"]


def test_port_fails_when_a_hook_fails(project: Project, tmp_path: Path) -> None:
    project.hook("bad.patch", hook(12, old="other"))
    project.hook("gone.patch", hook(5, file="kernel/gone.c"))
    project.hook("exit.patch", hook(5, file="kernel/exit.c"))
    result = run("port", "--root", project.root, kernel_tarball(tmp_path, "7.4.0"))
    assert result.returncode == 1
    assert "  bad.patch: FAILS\n    kernel/fork.c: hunk #1 FAILED at " in result.stdout
    assert "  gone.patch: FAILS\n    kernel/gone.c: not in this release\n" in result.stdout
    assert "  exit.patch: applies\n" in result.stdout
    assert result.stdout.endswith("port: 2 of 4 hooks apply\n")


def test_port_wants_an_archive(project: Project, tmp_path: Path) -> None:
    assert_one_line(run("port", "--root", project.root, ""), "make port LINUX_TARBALL=")
    broken = put(tmp_path / "broken.tar.xz", "no archive")
    assert_one_line(run("port", "--root", project.root, broken), "damaged archive")


# ---- build-kernel ---------------------------------------------------------


def test_options_that_did_not_take_effect_are_named() -> None:
    missed_options = load("build-kernel").missed_options
    asked = "CONFIG_A=n\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=12\nCONFIG_A=y\n# CONFIG_E is not set\n"
    got = '# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_D=13\nCONFIG_E=m\nCONFIG_F="x"\n'
    assert missed_options(asked, got) == ["CONFIG_A=y (is n)", "CONFIG_C=y (is n)",
                                          "CONFIG_D=12 (is 13)", "CONFIG_E=n (is m)"]
    assert missed_options("CONFIG_NONE=n\nCONFIG_B=y\n", got) == []


# ---- install-packages -----------------------------------------------------


def test_packages_are_not_touched_when_all_are_there(tmp_path: Path) -> None:
    program(tmp_path, "dpkg-query", "printf installed")
    program(tmp_path, "apt-get", "echo called; exit 1")
    result = run("install-packages", "build", "test", path=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def missing_flex(directory: Path, user: int, sudo: str) -> subprocess.CompletedProcess[str]:
    """install-packages where only flex is missing."""
    program(directory, "dpkg-query", '[ "$4" = flex ] || printf installed')
    program(directory, "apt-get", f'echo "$*" >>{directory}/calls')
    program(directory, "id", f"echo {user}")
    program(directory, "sudo", sudo)
    return run("install-packages", "build", path=directory)


def test_packages_are_installed_by_root(tmp_path: Path) -> None:
    result = missing_flex(tmp_path, 0, "exit 1")
    assert result.returncode == 0, result.stderr
    update, install = (tmp_path / "calls").read_text().splitlines()
    assert update.endswith("update")
    assert install.endswith("install -y --no-install-recommends flex")


def test_packages_are_installed_through_sudo(tmp_path: Path) -> None:
    result = missing_flex(tmp_path, 1000, '[ "$2" = -v ] || { shift; exec "$@"; }')
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "calls").read_text().endswith("--no-install-recommends flex\n")


def test_packages_that_nobody_can_install_are_one_line_to_run(tmp_path: Path) -> None:
    result = missing_flex(tmp_path, 1000, "exit 1")
    assert_one_line(result, "as root: apt-get install --no-install-recommends flex")
    assert not (tmp_path / "calls").exists()
