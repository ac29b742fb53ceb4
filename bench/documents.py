#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put the figures of a benchmark into README.md and Documentation/performance.rst.

    bench/documents.py [FIGURES.json [HOST_CALLS.json]]

Both are what bench/bench.py leaves in build/bench: without a name, the newest
that has figures, and the newest that has host calls, in seccomp mode. They replace
what stands between marks in the documents; the marks tell which table it is. What
bench/bench.py --mode ptrace, bench/vas.py or bench/threads.py has left there goes
the same way, the newest of each.
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


def newest_in(mode: str, what: str) -> Path | None:
    """The newest result of this mode with something under this key."""
    for path in sorted(RESULTS.glob("bench-*.json"), reverse=True):
        result = json.loads(path.read_text())
        if result[what] and result["environment"]["mode"] == mode:
            return path
    return None


def newest(what: str) -> Path:
    """The newest result in seccomp mode, which there must be."""
    path = newest_in("seccomp", what)
    if not path:
        sys.exit(f"no result in {RESULTS} has {what}: run make bench"
                 " (bench/bench.py --strace-only for host calls)")
    return path


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


def figures_of(result: Path) -> list[list[str]]:
    """The table of what bench/bench.py has measured."""
    samples = json.loads(result.read_text())["samples"]
    return figures_table([Sample(**s) for s in samples])


def main() -> None:
    """Rewrite the tables of both documents."""
    given = [Path(name) for name in sys.argv[1:]]
    figures_rows = figures_of(given[0] if given else newest("samples"))
    calls = json.loads((given[1] if given[1:] else newest("host_calls"))
                       .read_text())
    performance = REPO / "Documentation/performance.rst"
    fill(REPO / "README.md", "figures", as_markdown(figures_rows))
    fill(performance, "figures", literal_block(figures_rows))
    fill(performance, "host calls",
         literal_block(calls_table(calls["host_calls"])))
    traced = newest_in("ptrace", "samples")
    if traced:
        fill(performance, "ptrace", literal_block(figures_of(traced)))
    spaces = sorted(RESULTS.glob("vas-*.json"))
    if spaces:
        fill(performance, "address spaces", spaces_block(spaces[-1]))
    parallel = sorted(RESULTS.glob("threads-*.json"))
    if parallel:
        fill(performance, "threads", threads_block(parallel[-1]))


if __name__ == "__main__":
    main()
