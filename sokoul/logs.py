"""Structured logs: one JSON object a line on standard output, secrets masked (SPEC 18)."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from sokoul import env, request_id

SECRET_VARIABLES = (
    "JWT_SECRET", "SECRET_KEY", "TMDB_API_KEY", "TELEGRAM_BOT_TOKEN", "PROWLARR_API_KEY", "ADMIN_PASSWORD",
    "METRICS_TOKEN", "TELEGRAM_WEBHOOK_SECRET",
)  # fmt: skip
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{7}[A-Za-z0-9_.-]+")
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*)(:[^/@\s]*)?@")
_NAMED = re.compile(r"(?i)\b(apikey|api_key|token|ticket|password|secret|x-api-key)(=|%3D|\"?: ?\"?)[^&\s\"',}]+")
_OWN_KEY = re.compile(r"\bsk_[A-Za-z0-9]+")
_LEVELS = {"warning": "WARN", "critical": "ERROR", "exception": "ERROR"}

Event = MutableMapping[str, Any]


def _known_secrets() -> tuple[str, ...]:
    found = [secret for name in SECRET_VARIABLES for secret in env.secrets_of(name)]
    found += [key for _, key in env.ENV.torznab_feeds.values()]
    return tuple(secret for secret in found if len(secret) >= 6)


def mask(text: str, known: tuple[str, ...] | None = None) -> str:
    """The same text without secrets: passwords `***`, API keys `sk_...***`, JWTs their first 10 characters."""
    for secret in _known_secrets() if known is None else known:
        text = text.replace(secret, "***")
    text = _URL_PASSWORD.sub("***@", text)
    text = _NAMED.sub(r"\1\2***", text)
    text = _OWN_KEY.sub("sk_...***", text)
    return _JWT.sub(lambda found: found.group()[:10] + "...", text)


def _masked(value: Any, known: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return mask(value, known)
    if isinstance(value, dict):
        return {key: _masked(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item, known) for item in value]
    return value


def _correlate(_logger: Any, _name: str, event: Event) -> Event:
    event.setdefault("request_id", request_id.current())
    event.setdefault("user_id", request_id.current_user())
    return event


def _finish(_logger: Any, _name: str, event: Event) -> Event:
    level = str(event.pop("level", "info"))
    message = event.pop("event", "")
    ordered = {"timestamp": event.pop("timestamp", ""), "level": _LEVELS.get(level, level.upper())}
    known = _known_secrets()  # once a line, and not once a field: it is most of what a line costs
    return {key: _masked(value, known) for key, value in {**ordered, **event, "message": message}.items()}


def configuration(service: str, level: str) -> dict[str, Any]:
    """Django's LOGGING: everything of every library becomes one masked JSON line on standard output."""

    def name_service(_logger: Any, _name: str, event: Event) -> Event:
        event["service"] = service
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_service,
        _correlate,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*shared, structlog.stdlib.ExtraAdder()],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _finish,
            structlog.processors.JSONRenderer(default=str),
        ],
    }
    quiet = {
        name: {"level": "WARNING"} for name in ("httpx", "httpcore", "telegram", "asyncio", "daphne", "django.request")
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "json"}},
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": quiet,
    }


def logger(name: str) -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger(name)


# A full disk or a closed pipe must not take the application down with it; the line is lost, the work goes on.
logging.raiseExceptions = False
