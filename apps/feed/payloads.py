"""Every message type of the WebSocket, in one place (SPEC 7). A message is `{type, data}`, with `id` and `at` where it is a row."""

from typing import Any, TypedDict


class Notification(TypedDict, total=False):
    """`code` is stable, `text` is for people, in English; `texts` has it in the other languages; the rest says what it is about."""

    code: str
    text: str
    texts: dict[str, str]
    media_id: int
    download_id: int
    job_id: str


class JobUpdated(TypedDict):
    job_id: str
    kind: str
    status: str
    error: str


class DownloadProgress(TypedDict):
    """Bytes, bytes a second, seconds, percent 0–100. Passing: no id, never replayed."""

    id: int
    media_id: int
    phase: str
    status: str
    progress: float
    bytes_done: int
    bytes_total: int
    rate: int
    eta: int | None
    peers: int
    reason: str
    reason_texts: dict[str, str]  # the same in every language


class DownloadUpdated(DownloadProgress, total=False):
    name: str
    title: str


class Text(TypedDict):
    """`broadcast` (to everybody) and `message` (private)."""

    text: str


class Message(TypedDict, total=False):
    id: int
    type: str
    at: str
    data: dict[str, Any]


ROWS = ("job.updated", "download.updated", "notification", "broadcast", "message")
PASSING = ("download.progress",)
CONTROL = ("snapshot", "pong", "resync", "error")
