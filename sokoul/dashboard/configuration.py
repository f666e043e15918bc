"""The settings as this process runs on them, without any secret."""

from typing import Any, NamedTuple

from django.db import transaction

from apps.accounts import audit
from apps.accounts.models import AuditEntry
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


def note() -> None:
    """Tell the audit trail what is configured otherwise than at the last start; of a secret only whether there is one."""
    now = {setting.name: setting.value for setting in settings() if not setting.is_default}
    with transaction.atomic():
        before = _noted()
        changed = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
        if changed:
            old, new = ({name: values.get(name) for name in changed} for values in (before, now))
            audit.record("configuration.changed", before=old, after=new)


def _noted() -> dict[str, str]:
    """What the audit trail has all in all: {name: value} of what was no default."""
    state: dict[str, str | None] = {}
    entries = AuditEntry.objects.filter(action="configuration.changed").order_by("pk")
    for details in entries.values_list("details", flat=True):
        state |= details["after"]
    return {name: value for name, value in state.items() if value is not None}


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
