"""Why a download cannot be treated so now."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from apps.downloads.models import Download, Phase
from sokoul.errors import PermanentError, conflict

PHASES: Mapping[str, Any] = {
    Phase.SEARCHING: pgettext_lazy("this download is", "searching"),
    Phase.QUEUED: pgettext_lazy("this download is", "queued"),
    Phase.METADATA: pgettext_lazy("this download is", "looking for what it holds"),
    Phase.DOWNLOADING: pgettext_lazy("this download is", "downloading"),
    Phase.PAUSED: pgettext_lazy("this download is", "paused"),
    Phase.FILING: pgettext_lazy("this download is", "on its way into the library"),
    Phase.SEEDING: pgettext_lazy("this download is", "seeding"),
    Phase.DONE: pgettext_lazy("this download is", "done"),
    Phase.FAILED: pgettext_lazy("this download is", "failed"),
    Phase.CANCELLED: pgettext_lazy("this download is", "cancelled"),
}
SENTENCES: Mapping[str, Any] = {
    "paused": gettext_lazy("This download is %(phase)s; it cannot be paused now."),
    "resumed": gettext_lazy("This download is %(phase)s; it cannot be resumed now."),
    "retried": gettext_lazy("This download is %(phase)s; it cannot be retried now."),
    "cancelled": gettext_lazy("This download is %(phase)s; it cannot be cancelled now."),
    "given another release": gettext_lazy("This download is %(phase)s; it cannot be given another release now."),
}


def refused(download: Download, verb: str) -> PermanentError:
    """`verb` is one of SENTENCES."""
    return conflict(SENTENCES[verb] % {"phase": PHASES[download.phase]}, phase=download.phase)


def being_removed(download: Download) -> PermanentError:
    return conflict(_("Its files are still being removed. Try again in a few seconds."), phase=download.phase)


def season_unknown(download: Download) -> PermanentError:
    return conflict(_("Nobody knows which season of it you want. Choose another release."), phase=download.phase)
