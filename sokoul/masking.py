"""Secrets never reach a log: passwords become `***`, API keys `sk_...***`, JWTs their first 10 characters (SPEC 4)."""

import functools
import re
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import orjson

from sokoul import env

HIDDEN, HIDDEN_KEY = "***", "sk_...***"
PASSWORDS = (
    "JWT_SECRET",
    "SECRET_KEY",
    "TELEGRAM_BOT_TOKEN",
    "ADMIN_PASSWORD",
    "METRICS_TOKEN",
    "TELEGRAM_WEBHOOK_SECRET",
    "OIDC_CLIENT_SECRET",
)
API_KEYS = ("TMDB_API_KEY", "PROWLARR_API_KEY")
URLS = ("database_url", "redis_url", "nats_url", "email_url")
SHORTEST = 6  # a shorter secret would take ordinary words with it

_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{7}[A-Za-z0-9_.-]+")
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s\"']*@")
_CONNECTION_PASSWORD = re.compile(r"(?i)\b(password|passwd|pwd)(\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&\"',}]+)")
_NAMED = re.compile(
    r"(?i)\b((?:\w{1,30}[_-])?(?:apikey|api[_-]key|passkey|token|ticket|password|secret|authorization))"
    r"(=|%3D|\\?[\"']?\s?:\s?\\?[\"']?(?:Bearer |Basic )?)[^&\s\"'\\,}]+"
)
_ONE_TIME = re.compile(r"(?i)(?<=[?&])(code|state)=[^&\s\"'\\]+")  # of addresses that somebody comes back by
_BEARER = re.compile(r"(?i)\b(bearer|basic) (?!eyJ)[A-Za-z0-9+/=_.~-]{8,}")
_OWN_KEY = re.compile(r"\bsk_[A-Za-z0-9_-]+")
_SECRET_FIELD = re.compile(r"(?i)(?:^|_)(?:password|passwd|secret|token|ticket|apikey|api_key|authorization|cookie)s?$")
_HINTS = ("://", "eyJ", "sk_")
_HINTS_ANY_CASE = ("password", "passwd", "pwd", "secret", "token", "ticket", "apikey", "api_key", "api-key", "passkey",
                   "authorization", "cookie", "bearer", "basic ", "code=", "state=")  # fmt: skip


class _Secret(NamedTuple):
    text: str
    shown: str


@functools.lru_cache(maxsize=2)
def _known(_moment: env.Moment) -> tuple[_Secret, ...]:
    found = [_Secret(secret, HIDDEN) for name in PASSWORDS for secret in env.secrets_of(name)]
    found += [_Secret(key, HIDDEN_KEY) for name in API_KEYS for key in env.secrets_of(name)]
    found += [_Secret(key, HIDDEN_KEY) for _, key in env.ENV.torznab_feeds.values()]
    urls = [*(getattr(env.ENV, name) for name in URLS), env.current("DATABASE_URL")]
    found += [_Secret(secret, HIDDEN) for url in urls for secret in _of_url(url)]
    return tuple(secret for secret in found if len(secret.text) >= SHORTEST)


def _of_url(urls: str) -> list[str]:
    """Passwords, and NATS's tokens, which stand where a user name would; as written and as meant."""
    found: list[str] = []
    for url in urls.split(","):
        parts = urlsplit(url.strip())
        secret = parts.password or (parts.username if parts.scheme == "nats" else None)
        found += {secret, unquote(secret)} if secret else set()
    return found


def _secrets() -> tuple[_Secret, ...]:
    return _known(env.moment())


@functools.lru_cache(maxsize=2)
def _written(secrets: tuple[_Secret, ...]) -> tuple[str, ...]:
    """The known secrets as they stand within a JSON string."""
    return tuple(orjson.dumps(secret.text).decode()[1:-1] for secret in secrets)


def may_hold_secret(line: str) -> bool:
    """Quick, and on the safe side: False only where masking a line of JSON would change nothing."""
    if any(hint in line for hint in _HINTS) or any(secret in line for secret in _written(_secrets())):
        return True
    lowered = line.lower()
    return any(hint in lowered for hint in _HINTS_ANY_CASE)


def mask(text: str) -> str:
    """The same text without secrets, known ones and what looks like one."""
    for secret, shown in _secrets():
        text = text.replace(secret, shown)
    text = _URL_PASSWORD.sub(f"{HIDDEN}@", text)
    text = _OWN_KEY.sub(HIDDEN_KEY, text)
    text = _JWT.sub(lambda found: f"{found.group()[:10]}...", text)
    text = _CONNECTION_PASSWORD.sub(rf"\1\2{HIDDEN}", text)
    text = _NAMED.sub(_hide_named, text)
    text = _ONE_TIME.sub(rf"\1={HIDDEN}", text)
    return _BEARER.sub(rf"\1 {HIDDEN}", text)


def _hide_named(found: re.Match[str]) -> str:
    start, value = found.group(1) + found.group(2), found.group()[len(found.group(1) + found.group(2)) :]
    return found.group() if value.startswith(("eyJ", HIDDEN, "sk_...")) else start + HIDDEN


def masked(value: Any, name: str = "") -> Any:
    """A value of a log line without secrets; what is called like a secret is hidden whatever it holds."""
    if isinstance(value, str):
        text = mask(value)
        return HIDDEN if text and _SECRET_FIELD.search(name) and not text.startswith("eyJ") else text
    if isinstance(value, dict):
        return {mask(str(key)): masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item, name) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else mask(str(value))
