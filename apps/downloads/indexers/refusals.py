"""What an indexer's "no" means: its key, its limits, the question, or only a bad day."""

from django.utils.translation import gettext as _

from apps.downloads.indexers.offer import strip_key
from sokoul import http
from sokoul.errors import PermanentError, SokoulError, TransientError
from sokoul.said import said


class KeyRefusedError(PermanentError):
    """It does not take the key, or closed the account. Nothing changes that but somebody."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="indexer_key", status=502)


class QuestionRefusedError(PermanentError):
    """It does not take this question; another way of asking may do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="indexer", status=502)


class LimitReachedError(TransientError):
    """It was asked too often, by its own count."""


class SpentError(TransientError):
    """It was asked as often as the admin allows."""


class LeftAloneError(TransientError):
    """It has failed, or asked for a pause, and is not asked until that is over."""


def of_document(name: str, code: int, text: str, key: str) -> SokoulError:
    """An error document, by Newznab's codes: 100-199 the account, 200-299 the question, 500 and 501 its limits, 900 and more its
    own trouble. Some use HTTP's 429, and some say only in words that a limit was reached."""
    text = " ".join(text.split())[:200]
    what = {"name": name, "text": strip_key(text, (key,)), "code": code}
    message = said(lambda: _answered(what))
    if code in (429, 500, 501) or "limit reached" in text.lower():
        return LimitReachedError(message)
    if 100 <= code < 200:
        return KeyRefusedError(message)
    if 200 <= code < 400:
        return QuestionRefusedError(message)
    return TransientError(message)


def _answered(what: dict[str, object]) -> str:
    return (
        _("%(name)s answered: %(text)s (%(code)d).") if what["text"] else _("%(name)s answered an error (%(code)d).")
    ) % what


def of_status(name: str, response: http.Response) -> SokoulError:
    """A status of 400 to 499 whose body says nothing."""
    message = said(lambda: _("%(name)s answered %(status)d.") % {"name": name, "status": response.status})
    wait = http.retry_after(response.headers.get("retry-after"))
    if response.status == 429:
        return LimitReachedError(message, wait)
    if response.status in http.TRANSIENT_STATUSES:
        return TransientError(message, wait)
    return KeyRefusedError(message) if response.status == 401 else PermanentError(message, code="indexer", status=502)
