# SPDX-License-Identifier: GPL-2.0-only
"""Small things that the other files share: errors, sizes, calls into libc."""
import ctypes
import os
import re
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
DEFAULT_KERNEL = REPO / "linux"
DEFAULT_IMAGE = REPO / "build" / "rootfs.ext4"

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

libc = ctypes.CDLL(None, use_errno=True)

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class HostError(Exception):
    """The run cannot go on for a reason on the host; the text says which."""


def prctl(option: int, value: int, pointer: object = 0) -> None:
    """prctl(2); raises OSError."""
    argument = pointer if pointer else ctypes.c_ulong(0)
    if libc.prctl(option, ctypes.c_ulong(value), argument,
                  ctypes.c_ulong(0), ctypes.c_ulong(0)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def parse_size(text: str) -> int:
    """'64M', '1G', '1048576': bytes."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    if not match:
        raise ValueError(f"{text!r} is not a size such as 512M or 1G")
    return int(match[1]) * UNITS[match[2]]


def show_size(size: int) -> str:
    """Bytes for people."""
    for unit in "KMG":
        size_in_unit = size / UNITS[unit]
        if size_in_unit < 1024:
            break
    return f"{size_in_unit:.0f} {unit}iB"


def warn(text: str) -> None:
    """One line for the user that does not stop the run."""
    print(f"uml: {text}", file=sys.stderr, flush=True)
