"""No test of this process may log or print a secret: what the product would write is searched when a test has passed.

Log records are made into lines by the product's own formatter, so that this also shows that it masks them.
"""

import logging
import os
from collections.abc import Generator

import pytest

from sokoul.logs import JsonFormatter
from tests.leaks import leaks, secrets_of


class _Lines(logging.Handler):
    """What the product's log would have, since the last look."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter("test"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.lines.append(self.format(record))
        except Exception as error:  # an argument whose own __str__ raises; the product's handler bears that
            self.lines.append(f"no line: {type(error).__name__}")

    def take(self) -> list[str]:
        taken, self.lines = self.lines, []
        return taken


LINES = _Lines()


def pytest_runtest_setup() -> None:
    logging.getLogger().addHandler(LINES)  # nothing happens where it is there; a test may have configured logging anew


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    printed = [
        text
        for name, text in report.sections
        if name in {f"Captured {out} {call.when}" for out in ("stdout", "stderr")}
    ]
    found = leaks([*LINES.take(), *printed], secrets_of(os.environ))
    if report.passed and found:
        report.outcome = "failed"
        report.longrepr = f"a secret was logged or printed: {found[:3]}"
    return report
