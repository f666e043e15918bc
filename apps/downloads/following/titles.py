"""Which of many titles a release may be of: one look into an index instead of a comparison with each."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.spelling import likely_keys
from apps.media.models import Media


class Titles:
    """Titles by all their names, as `spelling` spells them. It may name one too many; `match.mismatches` is who decides."""

    def __init__(self, medias: Iterable[Media]) -> None:
        self._by_key: dict[str, set[int]] = defaultdict(set)
        for media in medias:
            for name in filter(None, (media.title, media.original_title, *media.titles)):
                for key in likely_keys(name):
                    self._by_key[key].add(media.pk)

    def of(self, release: ReleaseName) -> set[int]:
        return {number for key in _keys(release) for number in self._by_key.get(key, ())}


def _keys(release: ReleaseName) -> Iterator[str]:
    for title in (release.title, *release.alternative_titles):
        for reading in _readings(title, release.year):
            yield from likely_keys(reading)


def _readings(title: str, year: int | None) -> Iterator[str]:
    """As `match` may read it: with its year, without the year, and without the country that ends it."""
    bare = title.rstrip(" )]")
    yield title
    if year is not None:
        yield f"{title} {year}"
        if bare.endswith(str(year)):
            bare = bare[: -len(str(year))].rstrip(" ([-.")
            yield bare
    head, _, last = bare.rpartition(" ")
    if head and len(last.strip("()")) <= 3:
        yield head
