"""The settings as this process runs on them, without any secret."""

from typing import Any, NamedTuple

from sokoul.env import ENV, REQUIRED, Environment
from sokoul.masking import API_KEYS, HIDDEN, HIDDEN_KEY, PASSWORDS, mask


class Setting(NamedTuple):
    name: str
    value: str
    is_default: bool
    required: bool
    description: str


def settings() -> list[Setting]:
    return [
        Setting(
            name=name.upper(),
            value=_shown(name, getattr(ENV, name)),
            is_default=getattr(ENV, name) == field.default,
            required=name in REQUIRED,
            description=field.description or "",
        )
        for name, field in Environment.model_fields.items()
    ]


def _shown(name: str, value: Any) -> str:
    if value in ("", None, [], {}):
        return ""
    if name.upper() in PASSWORDS:
        return HIDDEN
    if name.upper() in API_KEYS:
        return HIDDEN_KEY
    if name == "torznab_feeds":
        return ", ".join(f"{feed}={mask(url)}|{HIDDEN_KEY if key else ''}" for feed, (url, key) in value.items())
    if isinstance(value, bool):
        return "on" if value else "off"
    return mask(", ".join(map(str, value)) if isinstance(value, list) else str(value))
