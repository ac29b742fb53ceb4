# SPDX-License-Identifier: GPL-2.0-only
"""Finds a directory for a run's files, the guest's memory above all.

A stock UML kernel keeps guest memory in a sparse file, in $TMPDIR or, without
it, in /dev/shm. When that file system fills up, as the 64 MB /dev/shm of a
container soon does, the kernel dies of SIGBUS. So the runner looks for room
beforehand and points TMPDIR to it. The file must also be executable, which a
mount with noexec forbids. A kernel that holds its memory in a memfd needs
no such room: only free memory.
"""
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from .host import HostError, show_size, warn

TMPFS_MAGIC_NAMES = ("tmpfs", "ramfs")
# Name of the memfd inside a kernel that makes one.
MEMFD_NAME = b"uml-memory"


@dataclass
class Place:
    """A directory that could hold the memory file, and what speaks against it."""

    path: str
    free: int = 0
    in_memory: bool = False
    problem: str = ""


def file_system_type(path: str) -> str:
    """Type of the mount that path lies on, from /proc/self/mountinfo."""
    best, kind = "", ""
    real = os.path.realpath(path)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            left, _, right = line.partition(" - ")
            point = left.split()[4].encode().decode("unicode_escape")
            inside = real == point or real.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, right.split()[0]
    return kind


def can_execute(path: str) -> bool:
    """Whether a new file in path can be mapped with PROT_EXEC."""
    name = os.path.join(path, f"uml-probe-{os.getpid()}")
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
    try:
        os.ftruncate(fd, mmap.PAGESIZE)
        mmap.mmap(fd, mmap.PAGESIZE, mmap.MAP_PRIVATE,
                  mmap.PROT_READ | mmap.PROT_EXEC).close()
        return True
    except PermissionError:
        return False
    finally:
        os.close(fd)
        os.unlink(name)


def look(path: str, need: int) -> Place:
    """Judges one directory for need bytes."""
    place = Place(path)
    try:
        stat = os.statvfs(path)
        place.free = stat.f_bavail * stat.f_frsize
        place.in_memory = file_system_type(path) in TMPFS_MAGIC_NAMES
        if not can_execute(path):
            place.problem = "is mounted noexec"
        elif place.free < need:
            place.problem = f"has {show_size(place.free)} free"
    except OSError as error:
        place.problem = f"cannot be used ({error.strerror})"
    return place


def candidates() -> list[str]:
    """Directories in the order of preference."""
    own = os.environ.get("TMPDIR")
    return ([own] if own else []) + ["/dev/shm", "/tmp", "/var/tmp"]


def makes_memory_file(kernel: Path) -> bool:
    """Whether this kernel keeps guest memory in a file (and not a memfd)."""
    with open(kernel, "rb") as binary, \
            mmap.mmap(binary.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(MEMFD_NAME) < 0


def choose(memory: int, kernel: Path, disk: int) -> str:
    """The first directory with room for memory and for the copy-on-write file.

    disk is what that file can grow to at most. A guest can live with less of
    it, so when no directory has room for both, room for memory will do.
    HostError when no directory has that.
    """
    need = memory if makes_memory_file(kernel) else 0
    own = os.environ.get("TMPDIR")
    places = [look(path, need) for path in candidates()]
    good = [one for one in places if not one.problem]
    if not good:
        raise HostError(f"no place for {show_size(need)} of guest memory: "
                        + "; ".join(f"{one.path} {one.problem}" for one in places)
                        + ". Use a smaller --mem, or set TMPDIR to a larger tmpfs "
                        "(docker run --shm-size=2g, mount -o remount,size=2g /dev/shm)")
    if own and places[0].problem:
        warn(f"TMPDIR {own} {places[0].problem}: using another directory")
    roomy = [one for one in good if one.free >= need + disk]
    chosen = (roomy or good)[0]
    if need and chosen.path != own and not chosen.in_memory:
        warn(f"guest memory goes to {chosen.path}, a disk and slow: "
             f"/dev/shm has {show_size(places[bool(own)].free)} free")
    return chosen.path
