"""E-mail: plain text with a small HTML part, by the server of EMAIL_URL."""

import smtplib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any

from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.utils.translation import gettext as _
from django.utils.translation import override

from apps.accounts.channels.door import Door, Unwilling
from apps.accounts.channels.letter import Letter, language_of
from apps.accounts.channels.media import Medium, Unusable, register
from apps.accounts.channels.models import Channel, Kind
from sokoul.env import ENV
from sokoul.errors import TransientError

SETTINGS_PAGE = "/app/profile/notifications"
VALID = 86_400  # seconds that a confirmation works
_SALT = "sokoul.channels.confirm"
_LONGEST_SUBJECT = 120
_door = Door()


def settings_url() -> str:
    return ENV.address + SETTINGS_PAGE


def code_for(channel: Channel) -> str:
    """What only somebody who reads mail to this address can know."""
    return signing.dumps([channel.pk, channel.target], salt=_SALT)


def is_code_for(channel: Channel, code: str) -> bool:
    try:
        return bool(signing.loads(code, salt=_SALT, max_age=VALID) == [channel.pk, channel.target])
    except signing.BadSignature:
        return False


def tell(channel: Channel, letter: Letter) -> dict[str, Any]:
    with override(letter.language):
        foot = _("You get this because you asked Sokoul to write to you. Change that: %(url)s") % {
            "url": settings_url()
        }
        text = f"{letter.text}\n\n-- \n{foot}\n"
        return send(channel.target, letter.heading, text, _html(letter, foot), headers=_unsubscribe())


def ask_to_confirm(channel: Channel) -> dict[str, Any]:
    """Raises Unusable and TransientError as `tell` does."""
    url = f"{settings_url()}?channel={channel.pk}&code={code_for(channel)}"
    with override(language_of(channel.user)):
        gaps = {"name": channel.user.username, "url": url}
        text = _(
            "%(name)s wants notifications from Sokoul at this address. If that is you, open this page and confirm:\n\n%(url)s\n\n"
            "If it is not, ignore this mail and you get no other."
        )
        return send(channel.target, _("Confirm your e-mail address"), text % gaps, headers=_unsubscribe())


def _unsubscribe() -> dict[str, str]:
    return {"List-Unsubscribe": f"<{settings_url()}>"}


def _html(letter: Letter, foot: str) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in letter.lines)
    parts = [f"<p>{escape(letter.heading)}</p>", f"<ul>{lines}</ul>" if lines else "", f"<p>{escape(letter.rest)}</p>"]
    body = "".join(part for part in parts if part != "<p></p>")
    return f'<!doctype html><html lang="{letter.language}"><body>{body}<hr><p><small>{escape(foot)}</small></p></body></html>'


def send(
    address: str, subject: str, text: str, html: str = "", *, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One mail now. Raises Unusable where the server refuses the address for good, TransientError or Snooze else."""
    line = " ".join(subject.split())  # a header is one line
    line = line if len(line) <= _LONGEST_SUBJECT else line[: _LONGEST_SUBJECT - 1] + "…"
    message = EmailMultiAlternatives(
        line, text, to=[address], headers={**(headers or {}), "Auto-Submitted": "auto-generated"}
    )
    if html:
        message.attach_alternative(html, "text/html")
    with _door.open(), _translated():
        message.send()
    return {"mailed": True}


@contextmanager
def _translated() -> Iterator[None]:
    """What the server says: 5xx to the recipient or the message is for good, everything else may pass (RFC 5321, 4.2.1)."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        status, said = next(iter(error.recipients.values()))
        raise _refused(status, said) from None
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
        if isinstance(error, smtplib.SMTPSenderRefused):
            raise TransientError("The mail server does not let Sokoul send. Look at EMAIL_URL.") from None
        raise _refused(error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPResponseException as error:
        raise TransientError(f"The mail server answered {error.smtp_code}. Look at EMAIL_URL.") from None
    except (smtplib.SMTPException, OSError) as error:
        raise TransientError(f"The mail server does not answer ({type(error).__name__}).") from None


def _refused(status: int, said: bytes | str) -> Exception:
    words = (said.decode(errors="replace") if isinstance(said, bytes) else said)[:200]
    if status < 500:
        return Unwilling(f"The mail server says: {status} {words}")
    return Unusable(_("The mail server says: %(answer)s.") % {"answer": f"{status} {words}"})


register(Kind.EMAIL, Medium(tell, ours=True))
