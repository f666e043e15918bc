"""Which of the releases that will do is taken."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def is_single(facts: Mapping[str, Any]) -> bool:
    """Whether a release, by its facts as name.to_json gives them, is of single episodes: numbered, counted or dated.

    It is not where it lists all of a season: “01-12 (Batch)”.
    """
    episodes = facts.get("episodes") or ()
    numbered = bool(episodes) or facts.get("absolute_episode") is not None or bool(facts.get("air_date"))
    return numbered and not (facts.get("complete") and len(episodes) > 1)


def pick(fit: Iterable[T], single: Callable[[T], bool], season: int | None, episode: int | None) -> T | None:
    """The one to take of those that were accepted, best first; None where none will do. Of a film, nothing is single.

    An episode by itself is taken before a season that holds it; a season is only taken whole.
    """
    found = list(fit)
    some = [one for one in found if single(one)]
    whole = [one for one in found if not single(one)]
    if episode is not None:
        return next(iter(some + whole), None)
    return next(iter(whole if season is not None else whole + some), None)
