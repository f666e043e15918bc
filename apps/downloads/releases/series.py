"""Which part of a series a name speaks of: the readings in the order of their certainty."""

from collections.abc import Callable

from apps.downloads.releases import absolute, dates, episodes, seasons
from apps.downloads.releases.numbering import Numbering

_SURE: tuple[Callable[[str], Numbering | None], ...] = (
    episodes.read_standard,
    episodes.read_cross,
    episodes.read_spelled,
    episodes.read_cap,
    episodes.read_opening,
    dates.read_dated,
    episodes.read_of,
    absolute.read_dashed,
    absolute.read_counted,
    absolute.read_chinese,
    absolute.read_after_year,
)
_UNSURE: tuple[Callable[[str], Numbering | None], ...] = (
    absolute.read_boxed,
    absolute.read_subbed,
    seasons.read_pack,
    episodes.read_compact,
    episodes.read_part,
    seasons.read_complete,
)


def find_numbering(text: str, *, anime: bool) -> Numbering | None:
    """The first reading that applies. anime: the name starts with its group in brackets."""
    readers = (*_SURE, absolute.read_anime, *_UNSURE) if anime else (*_SURE, *_UNSURE)
    return next(filter(None, (read(text) for read in readers)), None)
