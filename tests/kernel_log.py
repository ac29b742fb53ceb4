# SPDX-License-Identifier: GPL-2.0-only
"""Looks for trouble in a guest's kernel log.

Every boot in the tests ends with this check. A line that matches a pattern of
TROUBLE is a failure, unless ALLOWED names it with the reason why it is not
ours to mend. Keep ALLOWED short: an entry hides every later line like it.
"""
import re

TROUBLE = re.compile("|".join((
    r"\bBUG\b",                         # also "BUG: KASAN", "BUG: sleeping function"
    r"\bWARNING\b",                     # WARN_ON, lockdep's circular locking
    r"\bOops\b",
    r"Kernel panic",
    r"Kernel mode (fault|signal)",
    r"suspicious RCU usage",
    r"possible (circular|recursive|irq) ",
    r"inconsistent lock state",
    r"(bad|held) lock|lock held when",  # lockdep: unlock balance, held at exit
    r"UBSAN:",
    r"kmemleak: [1-9]\d* new suspected",
    r"unreferenced object 0x",          # what conftest.py has kmemleak list
    r"KASAN: (?!.*initialized)",
    r"blocked for more than \d+ seconds",
    r"(soft lockup|hard LOCKUP|detected stall|self-detected stall)",
    r"nobody cared",                    # an interrupt that was turned off
    r"Unexpectedly lost MM child",
    r"(mmap|munmap|mprotect) .*failed",  # a host call of the memory path
    r"[Bb]ad page|Bad rss-counter|bad pmd|bad pte",
    r"EXT4-fs (error|warning)",
    r"I/O error",
    r"Unable to handle",
    r"list_(add|del) corruption",
    r"refcount_t:",
)))

# (pattern, reason)
ALLOWED: tuple[tuple[str, str], ...] = ()

CONTEXT_LINES = 12


def trouble_in(log: str, allow: tuple[str, ...] = ()) -> list[str]:
    """Each finding with the lines that follow it, empty when the log is clean.

    allow adds patterns for a test that provokes the line on purpose.
    """
    allowed = [re.compile(pattern) for pattern, _ in ALLOWED]
    allowed += [re.compile(pattern) for pattern in allow]
    lines = log.replace("\r", "").splitlines()
    return ["\n".join(lines[at:at + CONTEXT_LINES])
            for at, line in enumerate(lines)
            if TROUBLE.search(line) and not any(a.search(line) for a in allowed)]


def assert_clean(log: str, allow: tuple[str, ...] = ()) -> None:
    """Fails the test with what was found."""
    found = trouble_in(log, allow)
    assert not found, "the kernel log shows trouble:\n" + "\n---\n".join(found)
