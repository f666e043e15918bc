"""How long a download may wait for others, and whose fault it is when nobody comes."""

import time
from collections.abc import Collection
from functools import partial

from django.utils.translation import gettext as _

from apps.downloads.claims import Claim
from apps.downloads.engine.events import Progress
from apps.downloads.faults import Fault
from apps.downloads.models import Phase
from sokoul.env import ENV
from sokoul.said import said

SILENT = 0.75  # of the wait: peers that are cut off leave late, and trackers answer twice an hour


def _no_metadata(unreachable: bool) -> str:
    if unreachable:
        text = _("No metadata after %(seconds)s seconds: the tracker could not be reached.")
    else:
        text = _("No metadata after %(seconds)s seconds: no peer sent it.")
    return text % {"seconds": f"{ENV.metadata_timeout:g}"}


def _stalled(has_peers: bool) -> str:
    progress, peers = (
        _("Stalled: no progress for %(seconds)s seconds."),
        _("Stalled: no peers for %(seconds)s seconds."),
    )
    return (progress if has_peers else peers) % {"seconds": f"{ENV.stall_timeout:g}"}


class Patience:
    """One for a whole session: where several torrents wait and none hears of anybody, it is our own network."""

    def __init__(self) -> None:
        self._heard = time.monotonic()

    def heard(self) -> None:
        """A peer or a tracker was there, for whichever torrent."""
        self._heard = time.monotonic()

    def over(self, claim: Claim, progress: Progress | None, *, unreachable: bool) -> Fault | None:
        """Why a download has waited long enough: no metadata, no peers or no progress for the configured time."""
        if claim.phase == Phase.METADATA and claim.age > ENV.metadata_timeout and not claim.has_metadata:
            return Fault("no_metadata", said(partial(_no_metadata, unreachable)))
        if claim.phase == Phase.DOWNLOADING and claim.idle > ENV.stall_timeout:
            return Fault("stalled", said(partial(_stalled, bool(progress and progress.peers))))
        return None

    def cut_off(self, claim: Claim, waiting: Collection[str]) -> bool:
        """Whether a wait that is over looks like ours to blame; `waiting` are the swarms that wait for something."""
        waited = claim.age if claim.phase == Phase.METADATA else claim.idle * SILENT
        return len(waiting) > 1 and time.monotonic() - self._heard > waited
