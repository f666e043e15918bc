"""What clients asked for and what they were told: the truth that the product is held against, in the manner of Jepsen.

One JSON line when an operation is invoked and one when it ends, in a file that is only appended to. What has no second line,
or got no answer, is unknown: it may have been done or not.
"""

import itertools
import json
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Outcome(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass
class Operation:
    """`key` names what is written (a register, a job, a download) and `value` what is written there. Times in Unix seconds.

    `fault` says what was wrong with the answer itself, whatever it stands for.
    """

    id: int
    kind: str
    who: str
    key: str
    value: Any
    began: float
    ended: float | None = None
    outcome: Outcome = Outcome.UNKNOWN
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    fault: str = ""

    @property
    def seconds(self) -> float:
        return (self.ended or self.began) - self.began


class Ledger:
    """Safe to use from several threads. `operations` is what was written so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.operations: list[Operation] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8")

    def begin(self, kind: str, who: str, key: str = "", value: Any = None) -> Operation:
        operation = Operation(next(self._numbers), kind, who, key, value, time.time())
        with self._lock:
            self.operations.append(operation)
        self._write({name: getattr(operation, name) for name in ("id", "kind", "who", "key", "value", "began")})
        return operation

    def end(
        self, operation: Operation, outcome: Outcome, *, status: int = 0, answer: Any = None, fault: str = ""
    ) -> Operation:
        operation.ended, operation.outcome, operation.status = time.time(), outcome, status
        operation.answer, operation.fault = answer if isinstance(answer, dict) else {}, fault
        names = ("id", "ended", "outcome", "status", "answer", "fault")
        self._write({name: getattr(operation, name) for name in names})
        return operation

    def close(self) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(line, default=str) + "\n")
            self._file.flush()


def read(lines: Iterable[str]) -> list[Operation]:
    """The operations that a ledger's lines tell of, in the order in which they were invoked."""
    found: dict[int, dict[str, Any]] = {}
    for line in lines:
        part = json.loads(line)
        found.setdefault(part["id"], {}).update(part)
    return [Operation(**{**row, "outcome": Outcome(row.get("outcome", Outcome.UNKNOWN))}) for row in found.values()]


def as_json(operation: Operation) -> dict[str, Any]:
    return asdict(operation)
