# SPDX-License-Identifier: GPL-2.0-only
"""Reading a source archive of the kernel (Debian's linux-source or a release
of kernel.org) without unpacking all of it.

Both kinds hold one top directory. An archive that cannot be read to the place
that is looked for raises ArchiveError with a text for the user.
"""

import lzma
import re
import tarfile
import zlib
from pathlib import Path

DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError)


class ArchiveError(Exception):
    """The archive is missing, damaged, or holds something else."""


def read_files(tarball: Path, wanted: set[str]) -> dict[str, bytes]:
    """The contents of those wanted files (paths below the top directory)
    that are in the archive; reads no further than it must."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(tarball, "r|*") as tar:
            for member in tar:
                path = member.name.removeprefix("./").partition("/")[2]
                if path in wanted and member.isfile():
                    content = tar.extractfile(member)
                    assert content is not None
                    found[path] = content.read()
                    if len(found) == len(wanted):
                        break
    except FileNotFoundError:
        raise ArchiveError(f"{tarball}: no such file") from None
    except DAMAGE as error:
        raise ArchiveError(f"{tarball}: damaged archive ({error})") from None
    return found


def stated_version(makefile: bytes) -> str | None:
    """The kernel version that a top Makefile states, as 7.3.4."""
    numbers = [re.search(rf"^{key} = (\d+)$", makefile.decode(), re.MULTILINE)
               for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if not all(numbers):
        return None
    return ".".join(number.group(1) for number in numbers if number)


def read_kernel(tarball: Path, wanted: set[str]) -> tuple[str, dict[str, bytes]]:
    """The version of the kernel in the archive, and read_files()."""
    found = read_files(tarball, wanted | {"Makefile"})
    version = stated_version(found.get("Makefile", b""))
    if version is None:
        raise ArchiveError(f"{tarball}: not a kernel source archive")
    return version, found
