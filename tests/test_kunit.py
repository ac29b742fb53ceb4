# SPDX-License-Identifier: GPL-2.0-only
"""Our KUnit suites (um_*, vas_*), run at boot and judged by the kernel's own parser."""
import re
import subprocess
import sys

import pytest
from conftest import REPO, Guest

KUNIT = REPO / "build" / "src" / "uml-vas" / "tools" / "testing" / "kunit" / "kunit.py"


@pytest.mark.parametrize("suites", ["um_*", "vas_*"])
def test_suites_pass(guest: Guest, suites: str) -> None:
    """At least one test of ours ran, and none failed."""
    assert KUNIT.is_file(), f"{KUNIT} is missing: run `make` first"
    done = guest.run(["true"], append="kunit.enable=1 kunit.autorun=1 "
                     f"kunit.filter_glob={suites}")
    assert done.code == 0, done.err
    parsed = subprocess.run([sys.executable, str(KUNIT), "parse"], input=done.log,
                            capture_output=True, text=True, check=False, timeout=60)
    report = parsed.stdout + parsed.stderr
    counts = re.search(r"Testing complete\. Ran (\d+) tests?: (.*)", report)
    assert counts and int(counts[1]) > 0, report
    assert parsed.returncode == 0 and "passed:" in counts[2], report
    for bad in ("failed", "crashed", "errors"):
        assert f"{bad}:" not in counts[2], report
