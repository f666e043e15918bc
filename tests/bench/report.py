"""What a benchmark measured, as it travels from its process to the table: one JSON line a figure."""

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Literal

import orjson

PREFIX = "figure "  # apart from the log, which goes the same way


@dataclass(frozen=True)
class Bar:
    """What BENCHMARKS asks for: `of` the ratio of ours to the peer's, or of our own figure."""

    most: float | None = None
    least: float | None = None
    of: Literal["ratio", "ours"] = "ratio"

    def __str__(self) -> str:
        sign, value = ("≤", self.most) if self.most is not None else ("≥", self.least)
        return f"{sign} {value:g} ×" if self.of == "ratio" else f"{sign} {value:,g}"

    def holds(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


@dataclass(frozen=True)
class Figure:
    """One line of the table; `ours` and `theirs` have a value a round, in the order of the rounds."""

    work: str
    unit: str
    ours: list[float]
    peer: str = ""
    theirs: list[float] = field(default_factory=list)
    bar: Bar | None = None

    @property
    def ratio(self) -> float | None:
        """Ours to the peer's, of the medians."""
        theirs = median(self.theirs) if self.theirs else 0
        return median(self.ours) / theirs if theirs else None

    @property
    def verdict(self) -> str:
        value = self.ratio if self.bar and self.bar.of == "ratio" else median(self.ours)
        if self.bar is None or value is None:
            return ""
        return "pass" if self.bar.holds(value) else "miss"


def at_most(value: float) -> Bar:
    return Bar(most=value, of="ours")


def at_least(value: float) -> Bar:
    return Bar(least=value, of="ours")


def tell(figures: Iterable[Figure]) -> None:
    """To the process that makes the table, each as soon as it is known."""
    for figure in figures:
        sys.stdout.write(f"{PREFIX}{orjson.dumps(asdict(figure)).decode()}\n")
        sys.stdout.flush()


def heard(line: str) -> Figure | None:
    """The figure of a line that `tell` wrote; None for any other."""
    if not line.startswith(PREFIX):
        return None
    values = orjson.loads(line.removeprefix(PREFIX))
    return Figure(**{**values, "bar": Bar(**values["bar"]) if values["bar"] else None})


def progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def percentile(values: list[float], percent: float) -> float:
    """The nearest value at or above which no more than 100 − `percent` per cent lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


COLUMNS = ("work", "unit", "Sokoul", "spread", "peer", "its", "ratio", "bar", "")


def cells(figure: Figure) -> tuple[str, ...]:
    low, high = min(figure.ours), max(figure.ours)
    spread = f"{_number(low)}–{_number(high)}" if len(figure.ours) > 1 else ""
    theirs = _number(median(figure.theirs)) if figure.theirs else ""
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
    bar = str(figure.bar) if figure.bar else ""
    ours = _number(median(figure.ours))
    return figure.work, figure.unit, ours, spread, figure.peer, theirs, ratio, bar, figure.verdict


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(figures: list[Figure]) -> str:
    """As Markdown, which is as good to read in a terminal."""
    rows = [COLUMNS, *map(cells, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    numbers = {2, 3, 5, 6}

    def line(row: tuple[str, ...]) -> str:
        parts = [
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(parts)} |"

    rule = [("-" * (width - 1) + ":") if column in numbers else "-" * width for column, width in enumerate(widths)]
    return "\n".join([line(rows[0]), f"| {' | '.join(rule)} |", *map(line, rows[1:])])
