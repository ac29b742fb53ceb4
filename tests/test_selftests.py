# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own selftests of memory locking, run in the guest.

scripts/build-selftest builds them from the unpacked tree. They print TAP: a
plan, then a line for each result. What is not "ok" is a failure here, a skip
too: a test that cannot run where we run it tells nothing.
"""
import re
from dataclasses import dataclass

import pytest
from conftest import WAYS, Guest, fail_with


@dataclass(frozen=True)
class Selftest:
    """A program, and as whom it has to run."""

    name: str
    user: str = ""

    @property
    def argv(self) -> list[str]:
        """What is run in the guest."""
        program = f"/usr/local/bin/ksft_{self.name}"
        return ["su", "-s", program, self.user] if self.user else [program]


SELFTESTS = (
    Selftest("mlock2-tests"),
    Selftest("mlock-random-test"),
    Selftest("map_populate"),
    # for root there is no limit
    Selftest("on-fault-limit", user="nobody"),
)


def tap_faults(text: str) -> list[str]:
    """What keeps this output from being a complete success; empty if nothing."""
    plans = re.findall(r"^1\.\.(\d+)", text, re.MULTILINE)
    results = re.findall(r"^(?:ok|not ok) \d+.*", text, re.MULTILINE)
    if len(plans) != 1 or int(plans[0]) == 0:
        return [f"no plan: {text[:200]!r}"]
    faults = [line for line in results
              if line.startswith("not ok") or re.search("# SKIP", line, re.I)]
    if len(results) != int(plans[0]):
        faults.append(f"{plans[0]} results planned, {len(results)} reported")
    return faults


@pytest.mark.parametrize("test, guest", [
    pytest.param(test, way, id=f"{test.name}-{way[0]}-{way[1]}cpu")
    for test in SELFTESTS for way in WAYS], indirect=["guest"])
def test_selftest(guest: Guest, test: Selftest) -> None:
    """Fails with everything that is wrong, and the output."""
    done = guest.run(test.argv)
    fail_with(tap_faults(done.out), done)


@pytest.mark.parametrize("text, fault", [
    ("", "no plan"),
    ("TAP version 13\n1..0 # SKIPPED\n", "no plan"),
    ("TAP version 13\n1..2\nok 1 a\n", "2 results planned"),
    ("TAP version 13\n1..1\nnot ok 1 a\n", "not ok 1 a"),
    ("TAP version 13\n1..1\nok 1 a # SKIP no\n", "ok 1 a # SKIP no"),
])
def test_tap_faults_are_seen(text: str, fault: str) -> None:
    """The reader itself: each of these is no success."""
    assert any(fault in found for found in tap_faults(text))
