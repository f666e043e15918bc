"""Which of the releases that will do is taken."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def is_single(episodes: Sequence[int], *, complete: bool) -> bool:
    """Whether a release is of single episodes; not where it lists all of a season: “01-12 (Batch)”."""
    return bool(episodes) and not (complete and len(episodes) > 1)


def pick(fit: Iterable[T], single: Callable[[T], bool], season: int | None, episode: int | None) -> T | None:
    """The one to take of those that were accepted, best first; None where none will do.

    An episode by itself is taken before a season that holds it; a season is only taken whole.
    """
    found = list(fit)
    some = [one for one in found if single(one)]
    whole = [one for one in found if not single(one)]
    if episode is not None:
        return next(iter(some + whole), None)
    return next(iter(whole if season is not None else whole + some), None)
