"""What stands in docs/reliability.md between two marks: rows and tables that the runs themselves write there."""

from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.report import Report, table

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = (
    "date", "seed", "minutes", "faults", "acknowledged", "unknown", "lost", "duplicated", "stranded", "violations",
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
    """A row for a run; a run of the same seed and length takes the place of the earlier one."""
    new = row(report)
    lines = [line for line in _part(page, "runs").splitlines() if line.startswith("| 2")]
    earlier = [tuple(cell.strip() for cell in line.strip("| \n").split("|")) for line in lines]
    kept = [old for old in earlier if old[1:3] != new[1:3]]
    _write(page, "runs", table(HEAD, [*kept, new]))


def keep_soak(text: str, page: Path = PAGE) -> None:
    _write(page, "soak", f"{datetime.now(UTC):%Y-%m-%d}, {text.strip()}")


def mark(name: str) -> tuple[str, str]:
    """What stands before and after a part of the page."""
    return f"<!-- {name}: written by the program -->", f"<!-- end of {name} -->"


def _part(page: Path, name: str) -> str:
    begin, end = mark(name)
    return page.read_text().partition(begin)[2].partition(end)[0]


def _write(page: Path, name: str, text: str) -> None:
    begin, end = mark(name)
    before, _, rest = page.read_text().partition(begin)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}")
