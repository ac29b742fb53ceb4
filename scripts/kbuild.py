# SPDX-License-Identifier: GPL-2.0-only
"""How kbuild is called for each of our kernels."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

# Kernel: the source tree that it is built from, and its fragments.
KERNELS = {
    "uml-vas": ("uml-vas", ("base", "uml-vas")),
    "stock": ("stock", ("base", "stock")),
    "no-vma-lock": ("uml-vas", ("base", "uml-vas", "no-vma-lock")),
    "debug": ("uml-vas", ("base", "uml-vas", "debug")),
    "eager": ("uml-vas", ("base", "uml-vas", "eager")),
}

# Of the caller's make; kbuild is to be started as if by hand.
FOREIGN_ENVIRONMENT = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES",
                       "ARCH", "SUBARCH", "CROSS_COMPILE", "KBUILD_OUTPUT",
                       "KCONFIG_CONFIG", "LOCALVERSION")


def kbuild_command(kernel: str, *targets: str) -> list[str]:
    """The command line that makes targets of this kernel."""
    compiler = "ccache gcc" if shutil.which("ccache") else "gcc"
    return ["make", "-C", str(BUILD / "src" / KERNELS[kernel][0]),
            f"O={BUILD / kernel}", "ARCH=um", f"-j{os.cpu_count()}",
            "LOCALVERSION=", f"CC={compiler}", f"HOSTCC={compiler}", *targets]


# Let the work trees of one repository share what ccache has: no path of the
# tree is in what the compiler makes.
CCACHE = {"CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1",
          "CCACHE_IGNOREOPTIONS": "-fmacro-prefix-map=*"}


def kbuild_environment(**more: str) -> dict[str, str]:
    """Our environment without what would bend kbuild."""
    return {**{key: value for key, value in os.environ.items()
               if key not in FOREIGN_ENVIRONMENT},
            "LC_ALL": "C", **CCACHE, **more}
