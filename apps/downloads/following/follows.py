"""Following and no longer following: views, pages and commands call these."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads import quotas
from apps.downloads.following import copies
from apps.downloads.following.models import Declined, Follow, What
from apps.downloads.profiles import services as profiles
from apps.media import episodes
from apps.media import services as media_services
from apps.media.models import Episode, Kind
from apps.media.titles import COLUMNS
from sokoul.api import Page, Statement
from sokoul.errors import PermanentError, conflict, forbidden, not_found

MOST = 1000  # follows of one person
OF_SERIES = (What.ALL, What.FUTURE, What.MISSING, What.SEASON)
WORDS = {
    What.FILM: gettext_lazy("the film, as soon as it can be had"),
    What.ALL: gettext_lazy("all episodes"),
    What.FUTURE: gettext_lazy("new episodes from now on"),
    What.MISSING: gettext_lazy("all episodes that are not there yet"),
    What.SEASON: gettext_lazy("one season"),
}


def follow(
    user: User, media_id: int, what: str, season: int | None = None, profile_id: int | None = None
) -> tuple[dict[str, Any], bool]:
    """(the follow as JSON, whether it is new). Its release dates are read by a job.

    `profile_id`: by which a copy of its own is kept beside the title's; None for the title's copy.
    PermanentError: 400 for what this title does not have, 404 for an unknown title or profile, 409 beyond MOST follows.
    """
    media = media_services.details(media_id)
    kind = _checked(media["kind"], what, season)
    with transaction.atomic():
        if quotas.hold(user.pk) is None:
            raise not_found("This user")
        chosen = profiles.hold(profile_id) if profile_id is not None else None
        mine = Follow.objects.filter(user_id=user.pk)
        same = mine.filter(media_id=media_id, what=kind, season=season, profile=chosen)
        if (known := same.select_related("profile").first()) is not None:
            return follow_json(known), False
        if mine.count() >= MOST:
            raise conflict(_("You follow %(most)d titles, and no more can be.") % {"most": MOST})
        made = Follow.objects.create(user_id=user.pk, media_id=media_id, what=kind, season=season, profile=chosen)
        if chosen is not None:
            copies.adopt(user.pk, media_id, chosen.pk)
        episodes.ask_for([media_id])
        audit.record("follow.added", media["title"], user, media_id=media_id, **_noted(made))
    return follow_json(made), True


def _checked(kind: str, what: str, season: int | None) -> What:
    fitting = [What.FILM] if kind == Kind.MOVIE else list(OF_SERIES)
    if what not in fitting:
        raise PermanentError(
            f"what must be {' or '.join(fitting)} here.", fields={"what": [f"one of {', '.join(fitting)}"]}
        )
    if (what == What.SEASON) != (season is not None):
        raise PermanentError(
            "A season is followed by its number.", fields={"season": ["with what: season, and only then"]}
        )
    return What(what)


_FIELDS = (
    "id", "media_id", "what", "season", "profile_id", "created_at", "searched_at", "ended_at", "keep_last", "keep_days",
)  # fmt: skip


def follow_json(follow: Follow) -> dict[str, Any]:
    """The one JSON shape of a follow."""
    return {name: getattr(follow, name) for name in _FIELDS} | {"profile": follow.profile and follow.profile.name}


def _noted(follow: Follow) -> dict[str, Any]:
    """What the audit trail says of it."""
    own = {"profile": follow.profile.name} if follow.profile else {}
    return {"what": str(follow.what), "season": follow.season, **own}


def unfollow(user: User, follow_id: int) -> None:
    """What is being downloaded goes on. PermanentError: 404 unknown, 403 somebody else's."""
    found = Follow.objects.filter(pk=follow_id).first()
    if found is None:
        raise not_found("This follow")
    if found.user_id != user.pk:
        raise forbidden()
    end_all(user, found.media_id, only=follow_id)


def end_all(user: User, media_id: int, *, only: int | None = None) -> None:
    """Follow nothing of a title any more, or one thing less. Afterwards it is so, whatever it was before."""
    with transaction.atomic():
        quotas.hold(user.pk)
        mine = Follow.objects.filter(user_id=user.pk, media_id=media_id)
        ending = list((mine if only is None else mine.filter(pk=only)).select_related("media", "profile"))
        mine.filter(pk__in=[follow.pk for follow in ending]).delete()
        left = {profile_id or 0 for profile_id in mine.values_list("profile_id", flat=True)}
        # Who follows a copy again later begins anew.
        Declined.objects.filter(user_id=user.pk, media_id=media_id).exclude(copy__in=left).delete()
        for follow in ending:
            audit.record("follow.removed", follow.media.title, user, media_id=media_id, **_noted(follow))


def of_title(user_id: int, media_id: int) -> list[dict[str, Any]]:
    """What a person follows of one title, with `words` that say it."""
    mine = Follow.objects.filter(user_id=user_id, media_id=media_id).select_related("profile").order_by("pk")
    return [_worded(follow_json(follow)) for follow in mine]


def _worded(row: dict[str, Any]) -> dict[str, Any]:
    words = str(WORDS[What(row["what"])])
    if row["what"] == What.SEASON:
        words = _("season %(number)d") % {"number": row["season"]}
    if row["profile"]:
        words = _("%(what)s, in the quality “%(profile)s”") % {"what": words, "profile": row["profile"]}
    return {**row, "words": words}


def choices(media_id: int, kind: str) -> list[tuple[str, str]]:
    """What of a title can be followed, as values of a form: `film`, `all`, `season-2`."""
    if kind == Kind.MOVIE:
        return [(What.FILM.value, str(WORDS[What.FILM]))]
    numbers = Episode.objects.filter(media_id=media_id).order_by("season").values_list("season", flat=True).distinct()
    seasons = [(f"season-{number}", _("season %(number)d") % {"number": number}) for number in numbers]
    return [(what.value, str(WORDS[what])) for what in (What.ALL, What.FUTURE, What.MISSING)] + seasons


_LISTED = Statement(
    f"""SELECT {", ".join(f"f.{name}" for name in _FIELDS)}, p.name AS profile, row_to_json(t) AS media
    FROM (SELECT * FROM follows WHERE user_id = %(user_id)s ORDER BY created_at DESC, id DESC {{window}}) f
    LEFT JOIN quality_profiles p ON p.id = f.profile_id
    JOIN LATERAL (SELECT {COLUMNS} FROM media m WHERE m.id = f.media_id) t ON true
    ORDER BY f.created_at DESC, f.id DESC""",  # noqa: S608 - constants
    "SELECT count(*) FROM follows WHERE user_id = %(user_id)s",
)


def listed_json(user_id: int, page: Page) -> dict[str, Any]:
    """What a person follows, newest first, to be sent as it is."""
    return _LISTED.json(page, user_id=user_id)


def listed(user_id: int, page: Page) -> dict[str, Any]:
    """The same for a page, each with its `words`."""
    found = _LISTED.rows(page, user_id=user_id)
    return {**found, "results": [_worded(row) for row in found["results"]]}
