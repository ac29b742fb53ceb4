# SPDX-License-Identifier: GPL-2.0-only
"""The hooks: small patches to upstream files, listed in patches/series.

They are always applied to copies of the few files that they touch, never in a
source tree, with `patch -p1 -F0`: a hook whose context has changed does not
apply. Offsets are allowed, and reported.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


class HookError(Exception):
    """The series names a hook that is missing or cannot be read."""


@dataclass
class Outcome:
    """What `patch` made of one hook."""
    applied: bool
    offsets: list[int]
    output: str


def read_series(patches: Path) -> list[Path]:
    """The hooks in the order of patches/series."""
    series = patches / "series"
    if not series.exists():
        return []
    lines = (line.split("#")[0].strip()
             for line in series.read_text().splitlines())
    hooks = [patches / line for line in lines if line]
    for hook in hooks:
        if not hook.is_file():
            raise HookError(f"patches/series names {hook.name}, "
                            "which does not exist")
    return hooks


def touched_files(hook: Path) -> set[str]:
    """The kernel files that a hook changes, adds or removes."""
    names = re.findall(r"^--- (\S+).*\n\+\+\+ (\S+).*\n@@ ",
                       hook.read_text(), re.MULTILINE)
    touched = {name.partition("/")[2] for pair in names for name in pair
               if name != "/dev/null"}
    if not touched or "" in touched:
        raise HookError(f"hook {hook.name}: no file names of the form "
                        "a/path and b/path")
    return touched


def apply_hook(hook: Path, directory: Path) -> Outcome:
    """Apply one hook to the files in directory."""
    command = ["patch", "-p1", "-F0", "--batch", "--forward",
               "--no-backup-if-mismatch", "--reject-file=-",
               "--input", str(hook.resolve())]
    result = subprocess.run(command, cwd=directory, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, "LC_ALL": "C"})
    offsets = [int(lines) for lines in
               re.findall(r"\(offset (-?\d+) lines?\)", result.stdout)]
    return Outcome(result.returncode == 0, offsets, result.stdout)
