"""`make bench`: every benchmark in turn, each in a process of its own with servers of its own, and one table of them all.

From the environment: ONLY (names, separated by commas), SIZE (MiB of the torrent and of the streamed file; 1024), ROUNDS
(3), and RECORD=1, which puts the table into docs/benchmarks.md. Progress goes to standard error.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import report

BENCHMARKS = (
    "jobs", "workers", "backlog", "torrent", "lists", "large", "starting", "answers", "statements", "crowd", "logins", "sockets",
    "streaming", "releases", "syncing", "limiting",
)  # fmt: skip
ROOT = Path(__file__).parents[2]
RECORD = ROOT / "docs" / "benchmarks.md"
MARK = "<!-- what follows is written by `make bench RECORD=1` -->"


def measured(name: str) -> tuple[list[report.Figure], bool]:
    """The figures of one benchmark, and whether it came to its end."""
    report.progress(f"{name}…")
    command = [sys.executable, "-m", f"tests.bench.{name}"]
    figures = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if figure := report.heard(line):
                figures.append(figure)
                report.progress("  " + "  ".join(filter(None, report.cells(figure))))
    return figures, process.returncode == 0


def machine() -> str:
    """Its size, and no name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    python = ".".join(map(str, sys.version_info[:2]))
    return f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, Python {python}, load {load:.1f} at the end"


def main() -> None:
    wanted = [name.strip() for name in os.environ.get("ONLY", "").split(",") if name.strip()] or list(BENCHMARKS)
    if unknown := set(wanted) - set(BENCHMARKS):
        sys.exit(f"ONLY: no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}.")
    figures, broken = [], []
    for name in wanted:
        found, whole = measured(name)
        figures += found
        broken += [] if whole else [name]
    text = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.\n\n{report.table(figures)}\n"
    print(f"\n{text}")
    if os.environ.get("RECORD"):
        RECORD.write_text(RECORD.read_text().partition(MARK)[0] + f"{MARK}\n\n{text}")
    if broken:
        sys.exit(f"These benchmarks broke; what they wrote stands above: {', '.join(broken)}.")


if __name__ == "__main__":
    main()
