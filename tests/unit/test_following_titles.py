"""The index of titles finds whatever `match` would: with year, country and number, in any spelling."""

import pytest

from apps.downloads.following.titles import Titles
from apps.downloads.releases import match
from apps.downloads.releases.match import Wanted
from apps.downloads.releases.parse import parse
from apps.media.models import Media

SERIES = Media(pk=1, kind="tv", title="Some Series", titles=["Quelques épisodes", "Serie, eine"], year=2010)
FILM = Media(pk=2, kind="movie", title="Lamp Runner 2049", original_title="Läufer", year=2017)
AND = Media(pk=3, kind="movie", title="Robot & Teapot II", year=2025)
TITLES = Titles([SERIES, FILM, AND])


@pytest.mark.parametrize(
    ("name", "pk"),
    [
        ("Some.Series.S01E02.1080p.WEB-DL.x264-X", 1), ("Some.Series.2010.S01E02.720p-X", 1),
        ("Some Series (2010) - S01E02 [1080p]", 1), ("Quelques.Episodes.S02.FRENCH.1080p-X", 1),
        ("Some.Series.2026.11.26.720p.HDTV-X", 1), ("Lamp.Runner.2049.2017.2160p.BluRay-X", 2),
        ("Laeufer.2017.1080p.BluRay-X", 2), ("Robot.and.Teapot.2.2025.1080p-X", 3),
    ],
)  # fmt: skip
def test_every_way_to_write_it(name: str, pk: int) -> None:
    media = next(media for media in (SERIES, FILM, AND) if media.pk == pk)
    kind = "movie" if media.kind == "movie" else "tv"
    titles = tuple(filter(None, (media.original_title, *media.titles)))
    assert not match.mismatches(Wanted(kind, media.title, titles, media.year), parse(name)), "match takes it"
    assert pk in TITLES.of(parse(name))


def test_a_country_is_read_as_match_reads_it() -> None:
    assert TITLES.of(parse("Some.Series.US.S01E02.720p-X")) == {1}


@pytest.mark.parametrize("name", ["Some.Other.Series.S01E02-X", "Series.S01E02-X", "Lamp.2017.1080p-X", "x"])
def test_nothing_else_is_near(name: str) -> None:
    assert TITLES.of(parse(name)) == set()
