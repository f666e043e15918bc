"""Copies of one title side by side: what belongs to which, where that changes. `Download.copy` numbers them by the profiles."""

from django.db import connection

from apps.accounts.models import User
from apps.downloads.following.models import Follow

# Nothing else of this target is there, or on its way, in that copy.
_FREE = """NOT EXISTS (SELECT FROM downloads o WHERE o.user_id = d.user_id AND o.media_id = d.media_id AND o.target = d.target
    AND o.status <> 'Failed' AND o.copy = %(to)s)"""
_MOVE = f"""UPDATE downloads d SET copy = %(to)s WHERE d.copy = %(of)s AND d.profile_id = %(profile_id)s AND d.status <> 'Failed'
    AND (%(user_id)s::bigint IS NULL OR d.user_id = %(user_id)s AND d.media_id = %(media_id)s) AND {_FREE}"""  # noqa: S608 - constants
_FOLLOWS = """UPDATE follows f SET profile_id = NULL WHERE f.profile_id = %(profile_id)s AND NOT EXISTS (
    SELECT FROM follows o WHERE o.user_id = f.user_id AND o.media_id = f.media_id AND o.what = f.what
        AND o.season IS NOT DISTINCT FROM f.season AND o.profile_id IS NULL)"""
_DECLINED = """UPDATE declined n SET copy = 0 WHERE n.copy = %(profile_id)s AND NOT EXISTS (
    SELECT FROM declined o WHERE o.user_id = n.user_id AND o.media_id = n.media_id
        AND o.season IS NOT DISTINCT FROM n.season AND o.episode IS NOT DISTINCT FROM n.episode AND o.copy = 0)"""


def adopt(user_id: int, media_id: int, profile_id: int) -> None:
    """What a person got of the title by this profile already is the copy that they keep by it from now on.

    In the transaction that makes the follow, and that holds the person.
    """
    with connection.cursor() as cursor:
        about = {"user_id": user_id, "media_id": media_id, "profile_id": profile_id}
        cursor.execute(_MOVE, {"of": 0, "to": profile_id, **about})


def hold(profile_id: int) -> None:
    """Lock those who follow something by the profile: before the profile itself, as who begins to follow by it does."""
    followers = Follow.objects.filter(profile_id=profile_id).values("user_id")
    people = User.objects.select_for_update(no_key=True).filter(pk__in=followers).order_by("pk")
    list(people.values_list("pk"))


def let_go(profile_id: int) -> None:
    """The profile is about to be deleted: what was got and followed by it is the title's own copy from now on, as far as there is
    none. What else was got by it stays where it is, and what else was followed by it is followed no longer.

    In the transaction that deletes the profile.
    """
    with connection.cursor() as cursor:
        nobody = {"user_id": None, "media_id": None, "profile_id": profile_id}
        cursor.execute(_MOVE, {"of": profile_id, "to": 0, **nobody})
        cursor.execute(_DECLINED, nobody)
        cursor.execute(_FOLLOWS, nobody)
