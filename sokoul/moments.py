"""Moments as machines write them: RFC 3339 in UTC, and Unix seconds. A moment without a zone is none."""

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def of_unix(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def to_unix(at: datetime) -> float:
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return at.timestamp()


def written(at: datetime) -> str:
    """2026-02-15T15:28:37Z, with the fraction of a second where there is one."""
    if at.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read(text: str) -> datetime:
    """In UTC. Raises ValueError for anything that is not RFC 3339."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no moment as RFC 3339 writes it")
    return datetime.fromisoformat(text.upper()).astimezone(UTC)
