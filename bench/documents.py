#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put the figures of a benchmark into README.md and Documentation/performance.rst.

    bench/documents.py [FIGURES.json [HOST_CALLS.json]]

Both are what bench/bench.py leaves in build/bench: without a name, the newest
that has figures, and the newest that has host calls. They replace what stands
between marks in the documents; the marks tell which table it is. If bench/vas.py
or bench/threads.py has left something there, the newest of it goes the same way.
"""

import json
import re
import sys
from pathlib import Path

import threads
import vas
from metrics import Sample, as_markdown, as_text, calls_table, figures_table

REPO = Path(__file__).resolve().parent.parent
RESULTS = REPO / "build/bench"


def newest(what: str) -> Path:
    """The newest result with something under this key."""
    for path in sorted(RESULTS.glob("bench-*.json"), reverse=True):
        if json.loads(path.read_text())[what]:
            return path
    sys.exit(f"no result in {RESULTS} has {what}: run make bench"
             " (bench/bench.py --strace-only for host calls)")


def between_marks(text: str, mark: str, content: str) -> str:
    """text with content between the lines that hold "mark: begin" and end."""
    pattern = re.compile(rf"(^.*{mark}: begin.*\n)(.*\n)*?(^.*{mark}: end.*$)",
                         re.MULTILINE)
    changed, found = pattern.subn(
        lambda match: f"{match[1]}\n{content.strip(chr(10))}\n\n{match[3]}",
        text)
    if found != 1:
        raise ValueError(f"{found} places are marked {mark}")
    return changed


def literal_block(rows: list[list[str]]) -> str:
    """A table for reStructuredText, as it is on the terminal."""
    return "::\n\n" + "".join(f"    {line}\n"
                              for line in as_text(rows).splitlines())


def spaces_block(result: Path) -> str:
    """The table of what bench/vas.py has measured."""
    return literal_block(vas.table(json.loads(result.read_text())["rounds"]))


def threads_block(result: Path) -> str:
    """The table of what bench/threads.py has measured."""
    return literal_block(vas.table({"free": json.loads(result.read_text())["rounds"]},
                                   threads.ROWS))


def fill(document: Path, mark: str, content: str) -> None:
    """Replace one table of one document."""
    document.write_text(between_marks(document.read_text(), mark, content))


def main() -> None:
    """Rewrite the tables of both documents."""
    given = [Path(name) for name in sys.argv[1:]]
    figures = json.loads((given[0] if given else newest("samples")).read_text())
    calls = json.loads((given[1] if given[1:] else newest("host_calls"))
                       .read_text())
    figures_rows = figures_table([Sample(**s) for s in figures["samples"]])
    performance = REPO / "Documentation/performance.rst"
    fill(REPO / "README.md", "figures", as_markdown(figures_rows))
    fill(performance, "figures", literal_block(figures_rows))
    fill(performance, "host calls",
         literal_block(calls_table(calls["host_calls"])))
    spaces = sorted(RESULTS.glob("vas-*.json"))
    if spaces:
        fill(performance, "address spaces", spaces_block(spaces[-1]))
    parallel = sorted(RESULTS.glob("threads-*.json"))
    if parallel:
        fill(performance, "threads", threads_block(parallel[-1]))


if __name__ == "__main__":
    main()
