"""What a person wants to be told in which way. The web always tells everything: it is the record, and disturbs nobody."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy

from apps.accounts import audit
from apps.accounts.channels.models import Kind, Preference
from apps.accounts.models import User

_known: dict[str, Any] = {}
Silence = tuple[str, str]  # (kind, code)


def offer(code: str, about: Any) -> None:
    """Let people choose whether they are told `code`; `about` is the lazy text that says what it is."""
    _known[code] = about


def codes() -> dict[str, str]:
    """{code: what it is, in the language that is active}"""
    return {code: str(about) for code, about in _known.items()}


def silences(user_id: int) -> set[Silence]:
    return set(Preference.objects.filter(user_id=user_id).values_list("kind", "code"))


def silence(user: User, wanted: Collection[Silence]) -> None:
    """From now on exactly these are not told; whoever has asked for something else meanwhile is overruled."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        before, after = silences(user.pk), set(wanted)
        for kind, code in before - after:
            Preference.objects.filter(user=user, kind=kind, code=code).delete()
        Preference.objects.bulk_create(Preference(user=user, kind=kind, code=code) for kind, code in after - before)
        if before != after:
            audit.record("preferences.changed", user.username, user, before=_muted(before), after=_muted(after))


def _muted(silences: Iterable[Silence]) -> list[str]:
    return sorted(f"{kind} {code}" for kind, code in silences)


def all_silences() -> set[Silence]:
    """Everything that can be left untold."""
    return {(kind, code) for kind in Kind.values for code in _known}


offer("job_failed", gettext_lazy("Something that I asked for failed"))
offer("telegram_linked", gettext_lazy("A Telegram account is linked to mine"))
offer("channel_off", gettext_lazy("A way to tell me does not work any more"))
offer("account_locked", gettext_lazy("Somebody tried to guess my password"))
offer("password_changed", gettext_lazy("My password was changed"))
offer("second_factor_attacked", gettext_lazy("Somebody tried to guess codes of my second factor"))
offer("second_factor_changed", gettext_lazy("My second factor was changed"))
offer("oidc_linked", gettext_lazy("An account at the sign-in provider is linked to mine"))
