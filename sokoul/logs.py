"""Structured logs: one JSON object a line, secrets masked (SPEC 18).

{timestamp, level (ERROR, WARN, INFO, DEBUG), service, request_id, user_id, …, message}. Components write to standard output,
where the supervisor or the container engine takes them; commands tell people in their own words what went wrong, and write
only errors to standard error.
"""

import json
import logging
import os
import re
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from sokoul import component, request_id
from sokoul.masking import mask, masked, may_hold_secret

__all__ = ["JsonFormatter", "LineHandler", "configuration", "logger", "mask"]
Event = MutableMapping[str, Any]
_LEVELS = {logging.CRITICAL: "ERROR", logging.ERROR: "ERROR", logging.WARNING: "WARN", logging.INFO: "INFO"}
_RECORD_FIELDS = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "color_message", "taskName"})
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
# What JSON may hold as it is and a terminal or a reader would obey: C1 controls, ends of lines, turns of direction.
_UNSEEN = re.compile("[\x80-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Each of them has a line of its own in the access log already; Django would tell it as an error, with a traceback.
REFUSED = ("django.security.DisallowedHost",)
QUIET = ("httpx", "httpcore", "telegram", "asyncio", "daphne", "django.request", "apscheduler")


class JsonFormatter(logging.Formatter):
    """Ours and any library's records alike. Never raises: what has no JSON is shown as text."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = self._fields(record)
        line = _json(fields)
        return _json(masked(fields)) if may_hold_secret(line) else line

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        if isinstance(record.msg, dict):
            more = dict(record.msg)
            message = more.pop("event", "")
        else:
            more, message = _extra(record), record.getMessage()
        if record.exc_info:
            more["exception"] = self.formatException(record.exc_info)
        return {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": _LEVELS.get(record.levelno, "DEBUG"),
            "service": self._service,
            "request_id": request_id.current(),
            "user_id": request_id.current_user(),
            **more,
            "message": message,
        }


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS}


def _json(fields: dict[str, Any]) -> str:
    try:
        line = orjson.dumps(fields, default=str, option=_OPTIONS).decode()
    except TypeError:  # a lone surrogate, a number beyond 64 bits
        return json.dumps(fields, default=str, skipkeys=True)
    return line if line.isascii() else _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class LineHandler(logging.Handler):
    """Writes whole lines to a file descriptor. A full disk or a closed pipe costs lines, never the work that logs them; the
    first line that can be written again says how many were lost."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lost = 0
        self._torn = False  # the last write ended within a line

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # an argument whose own __str__ raises
            line = json.dumps({"level": "ERROR", "message": f"a log line could not be made: {type(error).__name__}"})
        if self._lost and self._write(json.dumps({"level": "WARN", "message": f"{self._lost} log lines were lost"})):
            self._lost = 0
        self._lost += not (self._lost == 0 and self._write(line))

    def _write(self, line: str) -> bool:
        start = b"\n" if self._torn else b""
        data = start + line.encode(errors="backslashreplace") + b"\n"
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            return False
        self._torn = written < len(data)
        return not self._torn


def configuration(service: str, level: str, *, is_component: bool = component.IS_COMPONENT) -> dict[str, Any]:
    """Django's LOGGING: everything of every library becomes one masked JSON line."""
    structlog.configure(
        processors=[_hand_over],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    least = level if is_component or level == "DEBUG" else "ERROR"
    lines = {"()": LineHandler, "descriptor": 1 if is_component else 2, "formatter": "json", "level": least}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter, "service": service}},
        "handlers": {"lines": lines},
        "root": {"handlers": ["lines"], "level": level},
        "loggers": {name: {"level": "WARNING"} for name in QUIET} | {name: {"level": "CRITICAL"} for name in REFUSED},
    }


def _hand_over(_logger: Any, _name: str, event: Event) -> tuple[tuple[Event], dict[str, Any]]:
    """structlog's last step: the event's fields as the message of a record; `exception()` brings its traceback along."""
    exc_info = event.pop("exc_info", None)
    return (event,), {"exc_info": exc_info} if exc_info else {}


def logger(name: str) -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger(name)
