"""Starting what was found for everybody who wants it, as far as their quotas go."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.downloads import quotas, services
from apps.downloads.following import judging, wanted
from apps.downloads.following.models import Follow, Seek
from apps.downloads.following.wanted import Unit, Wish
from apps.downloads.models import Download, Phase, Torrent
from apps.feed import push
from apps.media.models import Media
from sokoul import logs
from sokoul.errors import PermanentError

log = logs.logger(__name__)

TOLD_AGAIN = timedelta(days=7)
QUOTA_RETRY = timedelta(minutes=10)
FAILED_AGAIN = timedelta(hours=6)


@dataclass
class Taken:
    """How many downloads were started, and how many a quota did not allow."""

    started: int = 0
    refused: int = 0


def take(unit: Unit) -> Taken:
    """Start for each who wants it the best release that is known. Twice is once: what was started is wanted no more.

    What a quota refuses is noted, and tried again soon; its person is told, once a week at most.
    """
    taken = Taken()
    for wish in wanted.units_of([unit.media_id]).get(unit, []):
        release = judging.best(unit, wish.user_id, wish.profile_id)
        if release and not failed_lately(wish.user_id, unit, release):
            _start(wish, unit, release, taken)
    if taken.refused or taken.started:
        _note(unit, taken)
    return taken


def failed_lately(user_id: int, unit: Unit, release: Torrent) -> bool:
    """What has just failed is not started again at each look, with its person told each time."""
    since = timezone.now() - FAILED_AGAIN
    failed = Download.objects.filter(user_id=user_id, media_id=unit.media_id, torrent=release, phase=Phase.FAILED)
    return failed.filter(finished_at__gt=since).exists()


def _start(wish: Wish, unit: Unit, release: Torrent, taken: Taken) -> None:
    try:
        services.start(
            wish.user_id,
            unit.media_id,
            torrent_id=release.pk,
            season=unit.season,
            episode=unit.episode,
            profile_id=wish.profile_id,
            automatic=True,
            how="followed",
        )
    except PermanentError as error:
        if error.code == "quota":
            taken.refused += 1
            _tell(wish.user_id, unit.media_id)
        elif error.status not in (404, 409):  # their account or the title went away, or somebody was faster
            raise
    else:
        taken.started += 1


def _note(unit: Unit, taken: Taken) -> None:
    now = timezone.now()
    waits = {"waiting": bool(taken.refused)} | ({"next_at": now + QUOTA_RETRY} if taken.refused else {})
    Seek.objects.update_or_create(
        media_id=unit.media_id, season=unit.season, episode=unit.episode, defaults=waits, create_defaults={"next_at": now, **waits}
    )  # fmt: skip
    log.info("followed", media_id=unit.media_id, season=unit.season, episode=unit.episode, **vars(taken))


def _tell(user_id: int, media_id: int) -> None:
    """That a quota holds something up; once, not for each thing of which there is more than the quota allows."""
    now = timezone.now()
    with transaction.atomic():
        if quotas.hold(user_id) is None:
            return
        mine = Follow.objects.filter(user_id=user_id)
        if mine.filter(told_at__gt=now - TOLD_AGAIN).exists():
            return
        of_title = mine.filter(media_id=media_id).select_for_update(no_key=True).order_by("pk")  # as in `seeking`
        mine.filter(pk__in=list(of_title.values_list("pk", flat=True))).update(told_at=now)
        title = Media.objects.values_list("title", flat=True).get(pk=media_id)
        push.notify(
            user_id,
            "follow_waits",
            lambda: _("“%(title)s”, which you follow, has to wait: it is more than your quota allows now. "
                      "It is tried again by itself.") % {"title": title},
            media_id=media_id, title=title,
        )  # fmt: skip
