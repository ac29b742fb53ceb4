# SPDX-License-Identifier: GPL-2.0-only
"""vasctl and the examples of tools/vas, run in a guest, and what is installed."""
import json
import re
import subprocess
from pathlib import Path

import pytest
from conftest import REPO, Guest

WINDOW = 0x200000000000


def shell(guest: Guest, script: str) -> list[str]:
    """Run commands in a guest; its lines. The script must end well."""
    done = guest.run(["sh", "-ec", script])
    assert done.code == 0, done.out + done.err
    return done.out.splitlines()


def test_life_of_a_vas(guest: Guest) -> None:
    """Made, shown, cloned, deleted; in a table and as JSON."""
    lines = shell(guest, """
        vasctl create a
        vasctl --mode=644 create 'b "c"'
        vasctl --json list
        vasctl list
        vasctl --json show a
        vasctl clone @1 d
        vasctl delete a
        vasctl delete @2
        vasctl --json list""")
    assert lines[:2] == ["1", "2"]
    both = json.loads(lines[2])
    assert [v["name"] for v in both] == ["a", 'b "c"']
    assert [v["mode"] for v in both] == ["0600", "0644"]
    assert lines[3].split() == ["ID", "MODE", "USER", "GROUP", "NAME"]
    assert json.loads(lines[6]) == both[0]
    assert json.loads(lines[-1])[0]["name"] == "d"


def test_life_of_a_segment(guest: Guest) -> None:
    """Made in memory and of a file, attached and detached."""
    lines = shell(guest, f"""
        vasctl create v
        vasctl seg create s {WINDOW:#x} +1M
        dd if=/dev/zero of=/tmp/f bs=4096 count=4 2>/dev/null
        vasctl seg create f {WINDOW + (1 << 20):#x} +16K /tmp/f
        vasctl seg attach v s
        vasctl --read-only seg attach v f
        vasctl --json seg list
        vasctl seg detach v s
        vasctl seg delete s
        vasctl --json seg show f""")
    regions = [s["region"] for s in json.loads(lines[3])]
    assert regions == ["200000000000-200000100000", "200000100000-200000104000"]
    assert json.loads(lines[4])["id"] == 2


@pytest.mark.parametrize("command, status, complaint", [
    ("", 2, "Usage"),
    ("nonsense", 2, "no such command"),
    ("list much", 2, "no such command"),
    ("--mode=9 create x", 2, "no mode"),
    ("seg create s one two", 2, "are addresses"),
    ("show nothing", 1, "no such object"),
    ("delete @99", 1, "Invalid argument"),
    ("delete @x", 1, "Invalid argument"),
    ("seg create s 0 4096", 1, "Bad address"),
    ("exec nothing -- true", 1, "no such object"),
])
def test_errors(guest: Guest, command: str, status: int, complaint: str) -> None:
    """Each has its exit status and one line that says what is wrong."""
    done = guest.run(["sh", "-c", f"vasctl {command} 2>&1"])
    assert done.code == status, done.out
    assert complaint in done.out


def test_exec(guest: Guest) -> None:
    """The command has the VAS attached, and its status comes back."""
    lines = shell(guest, """
        vasctl create v
        vasctl exec v -- sh -c 'echo $VAS_ID; vasctl delete v 2>&1; exit 7' || echo $?
        vasctl exec v -- /nowhere 2>/dev/null || echo $?
        vasctl exec v -- sh -c 'kill -9 $$' || echo $?
        vasctl delete v""")
    assert lines == ["1", "1", "vasctl: v: Device or resource busy", "7", "127", "137"]


@pytest.mark.parametrize("example", sorted(
    source.stem for source in (REPO / "tools/vas/examples").glob("*.c")))
def test_example(guest: Guest, example: str) -> None:
    """Runs with one command, and leaves nothing behind."""
    lines = shell(guest, f"{example}; vasctl --json list; vasctl --json seg list")
    assert len(lines) > 2 and lines[-2:] == ["[]", "[]"]


def compile_for_guest(program: Path, text: str) -> None:
    """A program of one file, with libvas."""
    source = program.with_suffix(".c")
    source.write_text(text)
    tools = REPO / "tools" / "vas"
    subprocess.run(["gcc", "-static", "-Wall", "-Wextra", "-Werror", f"-I{tools}",
                    f"-I{REPO}/include/uapi", "-o", program, source, tools / "libvas.c"],
                   check=True)


def test_readme_example(guest: Guest, tmp_path: Path) -> None:
    """The program in the README does what is said of it."""
    text = (REPO / "README.md").read_text()
    compile_for_guest(tmp_path / "notes", text.split("```c\n")[1].split("```")[0])
    done = guest.run(["sh", "-ec", "/mnt/notes; /mnt/notes; vasctl delete notes"],
                     options=("--ro", f"{tmp_path}:/mnt"))
    assert done.code == 0, done.err
    assert done.out == "written by an earlier process\n"


# Prints what the last one left in the file, and leaves its argument.
KEEPER = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <vas.h>

int main(int argc, char **argv)
{
    char *kept = (char *)VAS_WINDOW_START;
    int file = open("/mnt/kept", O_RDWR);
    int sid = vas_seg_create_fd("kept", VAS_WINDOW_START,
                             VAS_WINDOW_START + 0x4000, 0600, file);
    int vid = vas_create("keeper", 0600);

    if (argc != 2 || vas_seg_attach(vid, sid, O_RDWR) ||
        vas_attach(0, vid, O_RDWR) || vas_switch(vid))
        return 1;
    puts(kept + 0x1ff8);
    strcpy(kept + 0x1ff8, argv[1]);
    return 0;
}
"""


def test_a_file_segment_outlives_a_reboot(guest: Guest, tmp_path: Path) -> None:
    """What a guest wrote into a segment is there for the next guest, and the host."""
    share = tmp_path / "share"
    share.mkdir()
    (share / "kept").write_bytes(bytes(0x4000))
    compile_for_guest(share / "keeper", KEEPER)
    left = ""
    for text in ("of the first guest", "of the second"):
        done = guest.run(["/mnt/keeper", text], options=("--rw", f"{share}:/mnt"))
        assert done.code == 0, done.err
        assert done.out == f"{left}\n"
        left = text
        assert text.encode() in (share / "kept").read_bytes()


def test_install(tmp_path: Path) -> None:
    """A program finds header and library by pkg-config, shared and static."""
    prefix = tmp_path / "prefix"
    subprocess.run(["make", "-s", "-C", REPO / "tools/vas", "install", f"OUT={tmp_path}/out",
                    f"PREFIX={prefix}"], check=True)
    program = tmp_path / "program.c"
    program.write_text("#include <vas.h>\nint main(void) { return active_vas() != -1; }\n")
    flags = [f"-I{prefix}/include", f"-L{prefix}/lib", f"-Wl,-rpath,{prefix}/lib"]
    for kind in ([], ["-static"]):
        subprocess.run(["gcc", *kind, "-o", tmp_path / "program", program, *flags, "-lvas"],
                       check=True)
        # The host has no such system call.
        assert subprocess.run([tmp_path / "program"], check=False).returncode == 0
    config = (prefix / "lib/pkgconfig/libvas.pc").read_text()
    assert f"prefix={prefix}" in config and "-lvas" in config
    for page in ("man1/vasctl.1", "man2/vas_create.2", "man3/libvas.3"):
        assert (prefix / "share/man" / page).is_file()
    for call in re.findall(r"^int (\w+)\(", (REPO / "tools/vas/vas.h").read_text(), re.MULTILINE):
        assert_page(prefix / "share/man", call)


def assert_page(pages: Path, call: str) -> None:
    """A manual page of its name has the call, or leads to one that has."""
    page, = pages.glob(f"man[23]/{call}.[23]")
    alias = re.fullmatch(r"\.so (.+)\n", page.read_text())
    text = (pages / alias[1] if alias else page).read_text()
    assert f"int {call}(" in text
