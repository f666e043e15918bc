"""Kind → handler. Handlers live in each app's `tasks.py` and register themselves when that module is imported."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.utils.module_loading import autodiscover_modules
from pydantic import BaseModel

P = TypeVar("P", bound=BaseModel)
Handle = Callable[[P, "Running"], dict[str, Any] | None]
OnFailed = Callable[[P, "Running", str], str | None]


@dataclass(frozen=True)
class Running:
    """What a handler knows of its job. `attempt` counts from 1."""

    id: UUID
    kind: str
    user_id: int | None
    request_id: str
    attempt: int


class Snooze(Exception):
    """Again after so many seconds; the attempt does not count."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:g} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Handler:
    payload: type[BaseModel]
    handle: Handle[Any]


class Chore(NamedTuple):
    """Something that the relay does for a higher floor, every so many seconds; it returns how much it did."""

    run: Callable[[], int]
    every: float


_handlers: dict[tuple[str, str], Handler] = {}
_on_failed: dict[tuple[str, str], OnFailed[Any]] = {}
_chores: dict[str, Chore] = {}


def handler(worker: str, kind: str, payload: type[P]) -> Callable[[Handle[P]], Handle[P]]:
    """Register `handle(payload, job) -> dict | None`: what it returns becomes the job's result. It may run twice."""

    def register(handle: Handle[P]) -> Handle[P]:
        _handlers[worker, kind] = Handler(payload, handle)
        return handle

    return register


def failed(worker: str, kind: str) -> Callable[[OnFailed[P]], OnFailed[P]]:
    """Register `on_failed(payload, job, reason)`, run in the transaction that fails the job.

    Where it returns a text, the user is notified with that instead of the reason; "" means that it has done so itself.
    """

    def register(on_failed: OnFailed[P]) -> OnFailed[P]:
        _on_failed[worker, kind] = on_failed
        return on_failed

    return register


def chore(every: float) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Register what the relay is to do every so many seconds. Two relays may do it at once."""

    def register(run: Callable[[], int]) -> Callable[[], int]:
        _chores[run.__name__] = Chore(run, every)
        return run

    return register


def chores() -> list[Chore]:
    load()
    return list(_chores.values())


def find(worker: str, kind: str) -> Handler | None:
    return _handlers.get((worker, kind))


def find_failed(worker: str, kind: str) -> OnFailed[Any] | None:
    return _on_failed.get((worker, kind))


def label_of(worker: str, kind: str) -> str:
    """The kind as a metric's label: only what has a handler here has a name, so that there are never too many."""
    return kind if (worker, kind) in _handlers else "unknown"


def load() -> None:
    """Import every app's `tasks`. Safe to repeat."""
    autodiscover_modules("tasks")
