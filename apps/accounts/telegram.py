"""Which Telegram account speaks for whom. A one-time code goes from the web to the bot; who brought it is confirmed on the web.

Without that confirmation somebody who was made to press a foreign link would hand their Sokoul account to its sender.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts import audit, families
from apps.accounts.channels.models import Channel, Kind
from apps.accounts.models import TelegramBot, TelegramCode, TelegramLink, User
from apps.feed import push
from sokoul.errors import PermanentError, TransientError, conflict

VALID = timedelta(minutes=10)
# core.telegram.org/bots/features#deep-linking: at most 64 characters of A-Z, a-z, 0-9, _ and -
CODE_BYTES = 32
_Theirs = TypeVar("_Theirs", TelegramCode, TelegramLink)


class Asked(NamedTuple):
    """Who came to the bot. `language` is en, fr or empty."""

    telegram_id: int
    chat_id: int
    name: str
    language: str


def remember_bot(bot_id: int, username: str) -> None:
    TelegramBot.objects.update_or_create(bot_id=bot_id, defaults={"username": username})


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def offer(user: User) -> tuple[str, datetime]:
    """(the address that opens the bot with a new code, when it stops working). An earlier code of this person ends.

    Raises TransientError until the bot has once reached Telegram.
    """
    bot = TelegramBot.objects.order_by("-seen_at").first()
    if bot is None:
        raise TransientError(_("The bot has not reached Telegram yet. Try again in a minute."), retry_after=30)
    code, expires_at = secrets.token_urlsafe(CODE_BYTES), timezone.now() + VALID
    fresh = {"used_at": None, "telegram_id": None, "chat_id": None, "name": "", "language": ""}
    TelegramCode.objects.update_or_create(
        user=user, defaults={**fresh, "digest": _digest(code), "expires_at": expires_at}
    )
    return f"https://t.me/{bot.username}?start={code}", expires_at


def ask(code: str, who: Asked) -> bool:
    """Somebody brought a code to the bot. False where it is unknown, used or too old."""
    brought = TelegramCode.objects.filter(digest=_digest(code), used_at=None, expires_at__gt=timezone.now())
    return bool(brought.filter(user__is_active=True).update(used_at=timezone.now(), **who._asdict()))


def _asked(user_id: int) -> TelegramCode | None:
    codes = TelegramCode.objects.filter(user_id=user_id, used_at__isnull=False, expires_at__gt=timezone.now())
    return codes.first()


def state(user_id: int) -> dict[str, Any]:
    """{state: none, asked or linked; telegram_id, name} of who waits to be confirmed, else of who is linked."""
    if found := _asked(user_id):
        return {"state": "asked", "telegram_id": found.telegram_id, "name": found.name}
    if link := TelegramLink.objects.filter(user_id=user_id).first():
        return {"state": "linked", "telegram_id": link.telegram_id, "name": link.name}
    return {"state": "none", "telegram_id": None, "name": ""}


def confirm(user: User) -> None:
    """Link who asked, in place of whoever was linked before. 404 where nobody asks, 409 where they are somebody else's."""
    try:
        with transaction.atomic():
            _confirm(families.held(user))
    except IntegrityError:
        raise conflict(
            _("This Telegram account is linked to another Sokoul account. Send /unlink to the bot from there first.")
        ) from None


def _confirm(user: User) -> None:
    code = TelegramCode.objects.select_for_update().filter(user=user, used_at__isnull=False).first()
    if code is None or code.telegram_id is None or code.chat_id is None or code.expires_at <= timezone.now():
        raise PermanentError(
            _("Nobody has asked to be linked. Make a new link, open it in Telegram, then confirm here."),
            code="not_found",
            status=404,
        )
    TelegramLink.objects.filter(user=user).delete()
    TelegramLink.objects.create(
        user=user,
        telegram_id=code.telegram_id,
        chat_id=code.chat_id,
        name=code.name,
        language=user.language or code.language,
    )
    code.delete()
    Channel.objects.filter(user=user, kind=Kind.TELEGRAM).delete()
    Channel.objects.create(user=user, kind=Kind.TELEGRAM, confirmed_at=timezone.now())
    push.notify(user.pk, "telegram_linked", lambda: _welcome(user.username, code.name), name=code.name)
    audit.record("telegram.linked", user.username, user, telegram_id=code.telegram_id)


def refuse(user_id: int) -> None:
    """Whoever asks is not the person; who is linked already stays."""
    with transaction.atomic():
        _hold(user_id)
        code = _locked(TelegramCode, user_id)
        if code is None:
            return
        code.delete()
        if code.telegram_id is not None:
            audit.record("telegram.refused", code.user.username, code.user, telegram_id=code.telegram_id)


def _welcome(username: str, name: str) -> str:
    gaps = {"name": name, "username": username}
    return (
        _("The Telegram account %(name)s speaks for %(username)s now. Send /help there to see what it can do.") % gaps
    )


def linked(telegram_id: int) -> TelegramLink | None:
    """The link of a Telegram account, with its living user; None also when that was deactivated."""
    return TelegramLink.objects.select_related("user").filter(telegram_id=telegram_id, user__is_active=True).first()


def link_of(user_id: int) -> TelegramLink | None:
    """The link of a person whose account is active."""
    return TelegramLink.objects.select_related("user").filter(user_id=user_id, user__is_active=True).first()


def speak(telegram_id: int, language: str) -> None:
    """From now on the bot writes `language` (en, fr) to this account."""
    TelegramLink.objects.filter(telegram_id=telegram_id).update(language=language)


def unlink(user_id: int, *, why: str) -> None:
    """Afterwards no Telegram account speaks for this person, nor waits to; `why` goes to the audit trail."""
    with transaction.atomic():
        _hold(user_id)
        TelegramCode.objects.filter(user_id=user_id).delete()
        link = _locked(TelegramLink, user_id)
        if link is None:
            return
        link.delete()
        Channel.objects.filter(user_id=user_id, kind=Kind.TELEGRAM).delete()
        audit.record("telegram.unlinked", link.user.username, link.user, telegram_id=link.telegram_id, why=why)


def _hold(user_id: int) -> None:
    """The person before what is theirs, as whoever links them or chooses a new password: else the two would wait for each other."""
    User.objects.select_for_update(no_key=True).filter(pk=user_id).first()


def _locked(model: type[_Theirs], user_id: int) -> _Theirs | None:
    return model._default_manager.select_for_update(of=("self",)).select_related("user").filter(user_id=user_id).first()


def unlink_chat(chat_id: int, *, why: str) -> None:
    """The same for whoever is linked from this chat."""
    for user_id in TelegramLink.objects.filter(chat_id=chat_id).values_list("user_id", flat=True):
        unlink(user_id, why=why)
