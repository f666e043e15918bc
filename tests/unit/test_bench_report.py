"""The table of `make bench` says what was measured, and no more."""

import pytest

from tests.bench import report
from tests.bench.report import Bar, Figure, at_most


@pytest.mark.parametrize(
    ("ours", "theirs", "bar", "verdict"),
    [
        ([30.0, 10.0, 20.0], [10.0], Bar(least=2.0), "pass"),
        ([30.0, 10.0, 19.0], [10.0], Bar(least=2.0), "miss"),
        ([5.0], [10.0], Bar(most=0.5), "pass"),
        ([5.1], [10.0], Bar(most=0.5), "miss"),
        ([21.0], [100.0], at_most(20), "miss"),
        ([20.0], [], at_most(20), "pass"),
        ([20.0], [], Bar(least=1.0), ""),
        ([20.0], [10.0], None, ""),
    ],
)
def test_medians_are_held_to_the_bar(ours: list[float], theirs: list[float], bar: Bar | None, verdict: str) -> None:
    assert Figure("work", "unit", ours, "peer", theirs, bar).verdict == verdict


def test_a_figure_travels_whole_and_log_lines_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    figure = Figure("jobs", "jobs/s", [1.0, 2.0], "Celery", [0.5], Bar(least=2.0))
    report.tell([figure])
    assert report.heard(capsys.readouterr().out) == figure
    assert report.heard('{"work": "a line of the log"}\n') is None


def test_the_table_is_markdown_with_median_spread_and_ratio() -> None:
    text = report.table([Figure("jobs", "jobs/s", [1000.0, 3000.0, 2000.0], "Celery", [500.0], Bar(least=2.0))])
    row = [cell.strip() for cell in text.splitlines()[2].strip("|").split("|")]
    assert row == ["jobs", "jobs/s", "2,000", "1,000–3,000", "Celery", "500", "4.00", "≥ 2 ×", "pass"]


def test_a_percentile_leaves_no_more_above_than_it_says() -> None:
    assert report.percentile([float(number) for number in range(100)], 95) == 95
    assert report.percentile([7.0], 99) == 7
