#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put the table that `make bench` left in build/bench/table.md into README.md,
between the two marks that stand there."""

import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
TABLE = REPO / "build/bench/table.md"
MARKS = ("<!-- figures: bench/readme.py -->\n", "<!-- end of figures -->\n")


def with_table(readme: str, table: str) -> str:
    """README.md with this table; ValueError if a mark is missing."""
    before, mark, rest = readme.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not mark or not end:
        raise ValueError("README.md lacks the marks of the figures")
    return before + mark + "\n" + table.strip() + "\n\n" + end + after


def main() -> None:
    """Rewrite README.md."""
    if not TABLE.exists():
        sys.exit(f"{TABLE} is missing: run make bench first")
    readme = REPO / "README.md"
    readme.write_text(with_table(readme.read_text(), TABLE.read_text()))


if __name__ == "__main__":
    main()
