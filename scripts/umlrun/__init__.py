# SPDX-License-Identifier: GPL-2.0-only
"""The runner behind ./uml: boots a UML kernel, runs one command in it.

A file uses only what stands above it:

    host.py      errors, sizes, calls into libc
    place.py     which directory has room for the guest's memory
    landlock.py  what the kernel process may touch on the host
    keeper.py    a process that leaves nothing of UML behind
    machine.py   one UML process: run directory, arguments, start
    relay.py     bytes between our stdin, stdout, stderr and the guest's init
    cli.py       the command line; what an exit code means
    doctor.py    checks of the host
"""
