"""A release was watched: how it ended is told to the admins, once a watch."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import alarms
from apps.accounts.channels import preferences

preferences.offer("release_watched", gettext_lazy("A new version was watched, or taken back (admins)"))


def tell(
    side: str, at: datetime, *, requests: int, errors: int, unwell: Sequence[str], back: str, failed: bool
) -> None:
    """`failed`: whether the side itself was not well. `back`: the side that has all requests again, if any.

    `unwell`: what else is not well, by `check_stack`'s names.
    """
    gaps = {
        "side": side, "at": at.isoformat(), "requests": requests, "errors": errors, "parts": ", ".join(unwell), "back": back,
    }  # fmt: skip

    def words() -> str:
        if failed and back:
            text = _(
                "The version on %(side)s was taken back: it failed %(errors)d of %(requests)d requests, or its health check. All "
                "requests go to %(back)s again."
            )
        elif failed:
            text = _(
                "The version on %(side)s fails (%(errors)d of %(requests)d requests, or its health check) and cannot be taken back: "
                "the other side does not answer either."
            )
        elif unwell:
            text = _("The version on %(side)s answers, but something is not well: %(parts)s.")
        else:
            text = _("The version on %(side)s was watched and is well: %(errors)d of %(requests)d requests failed.")
        return text % gaps

    alarms.tell_admins("release_watched", words, **gaps)
