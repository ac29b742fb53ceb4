# SPDX-License-Identifier: GPL-2.0-only
"""Runs a program on a host that refuses some things, as a strict container does.

usage: refuse.py seccomp,ptrace,landlock PROGRAM ARG...

A seccomp filter answers the system calls of the named things with EPERM, for
the program and all it starts. The numbers are x86-64's.
"""
import ctypes
import errno
import os
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
PRCTL = 157
CALLS = {"ptrace": [101], "seccomp": [317], "landlock": [444, 445, 446]}

# Classic BPF: load a word, skip if equal, return; offsets in struct seccomp_data.
LOAD, SKIP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, FIRST_ARGUMENT = 0, 16
ALLOW, REFUSE = (RETURN, 0, 0, 0x7fff0000), (RETURN, 0, 0, 0x00050000 | errno.EPERM)


def refusal(names: list[str]) -> list[tuple[int, int, int, int]]:
    """The filter's instructions: (code, skip if true, skip if false, operand)."""
    program = [(LOAD, 0, 0, NUMBER)]
    for name in names:
        for number in CALLS[name]:
            program += [(SKIP_IF_EQUAL, 0, 1, number), REFUSE]
    if "seccomp" in names:
        program += [(SKIP_IF_EQUAL, 0, 3, PRCTL), (LOAD, 0, 0, FIRST_ARGUMENT),
                    (SKIP_IF_EQUAL, 0, 1, PR_SET_SECCOMP), REFUSE]
    return program + [ALLOW]


def install(program: list[tuple[int, int, int, int]]) -> None:
    """Puts this process under the filter."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(
        b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    header = ctypes.create_string_buffer(
        struct.pack("@HP", len(program), ctypes.addressof(code)))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
            libc.prctl(PR_SET_SECCOMP, MODE_FILTER, header):
        sys.exit("refuse.py: cannot install the filter")


if __name__ == "__main__":
    install(refusal(sys.argv[1].split(",")))
    os.execv(sys.argv[2], sys.argv[2:])
