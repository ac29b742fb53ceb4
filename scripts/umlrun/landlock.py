# SPDX-License-Identifier: GPL-2.0-only
"""Confines the UML process with Landlock, so that --ro is read-only for real.

hostfs does what the guest kernel tells it, and the guest's root can remount a
share read-write or mount any other host directory. Landlock makes the host
refuse: the process may then read system libraries, the kernel, the image and
the shares, and write to its run directory and to --rw shares, no more. It
needs no privilege; Linux 5.13 and later have it where it is compiled in. It
does not cover chmod, chown and utime. The process may not open a new pseudo
terminal either, which the log tells as "check_one_sigio failed": harmless, as
no console of ours is a terminal.
See landlock(7) for the system calls.
"""
import ctypes
import os
import struct

from .host import PR_SET_NO_NEW_PRIVS, libc, prctl

SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446
GET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
CREATE_AND_REMOVE = sum(1 << bit for bit in range(4, 13))
REFER, TRUNCATE = 1 << 13, 1 << 14      # versions 2 and 3

READ = EXECUTE | READ_FILE | READ_DIR
FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE

SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc", "/dev")
DEVICES = ("/dev/null", "/dev/zero", "/dev/net/tun")


def version() -> int:
    """Version of Landlock on this host, 0 without it."""
    return max(0, libc.syscall(SYS_CREATE_RULESET, None, ctypes.c_size_t(0),
                               GET_VERSION))


def handled() -> int:
    """Every access that this host's Landlock can refuse, of those we know."""
    rights = READ | WRITE_FILE | CREATE_AND_REMOVE
    if version() >= 2:
        rights |= REFER
    if version() >= 3:
        rights |= TRUNCATE
    return rights


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"landlock: {os.strerror(number)}")
    return result


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Adds one rule; a path that does not exist needs none."""
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        rights &= FILE_ONLY
    rule = struct.pack("=Qi", rights & handled(), fd)
    _check(libc.syscall(SYS_ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0))
    os.close(fd)


def build(read: list[str], write: list[str]) -> int:
    """A ruleset as a file descriptor, or -1 where the host has no Landlock."""
    if not version():
        return -1
    attributes = struct.pack("=Q", handled())
    ruleset = _check(libc.syscall(SYS_CREATE_RULESET, attributes,
                                  ctypes.c_size_t(len(attributes)), 0))
    for path in (*SYSTEM, *read):
        _allow(ruleset, path, READ)
    for path in (*DEVICES, *write):
        _allow(ruleset, path, handled())
    return ruleset


def enter(ruleset: int) -> None:
    """Puts this process and all it starts under the ruleset, for good."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    _check(libc.syscall(SYS_RESTRICT_SELF, ruleset, 0))
