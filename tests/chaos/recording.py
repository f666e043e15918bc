"""The table of docs/reliability.md: a row for each run that was recorded, written by the run itself."""

from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.report import Report, table

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
MARK = "<!-- what follows is written by `make chaos RECORD=1` -->"
HEAD = (
    "date", "seed", "minutes", "faults", "acknowledged", "unknown", "lost", "duplicated", "stranded", "violated",
    "takeover, s", "API, s", "fetching, s", "load",
)  # fmt: skip


def row(report: Report) -> tuple[str, ...]:
    times = report.times
    outcomes = [op.outcome.value for op in report.case.history]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}", str(report.seed), f"{report.minutes:g}",
        str(sum(not fault.note for fault in report.case.inflicted)), f"{outcomes.count('acknowledged'):,}",
        f"{outcomes.count('unknown'):,}", str(report.lost), str(report.duplicated), str(report.stranded),
        str(sum(map(len, report.violations.values()))), f"{times.takeover:.1f}", f"{times.api_after_postgres:.1f}",
        f"{times.fetching_after_nats:.1f}", f"{report.load:.1f}",
    )  # fmt: skip


def add(report: Report, page: Path = PAGE) -> None:
    text, _, written = page.read_text().partition(MARK)
    earlier = [
        tuple(cell.strip() for cell in line.strip("| \n").split("|"))
        for line in written.splitlines()
        if line.startswith("| 2")
    ]
    page.write_text(f"{text}{MARK}\n\n{table(HEAD, [*earlier, row(report)])}\n")
