"""Is a release the film or the episode that is wanted?"""

from dataclasses import replace
from datetime import date

import pytest

from apps.downloads.releases.match import Wanted, mismatches
from apps.downloads.releases.parse import parse
from apps.downloads.releases.spelling import likely_keys, same_title

IT = Wanted("movie", "It", year=2017, runtime=135)
LAMP = Wanted("tv", "The Lamp", year=2010, season=2, episode=3, runtime=45)


def codes(wanted: Wanted, name: str) -> list[str]:
    return [verdict.code for verdict in mismatches(wanted, parse(name))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tom & Lamp", "Tom and Lamp"),
        ("Amélie's Lamp", "amelies lamp"),
        ("Lamp: The Return", "Lamp - The Return"),
        ("Spider-Lamp", "Spider Lamp"),
        ("R.I.P.L.", "RIPL"),
        ("Lamp II", "Lamp 2"),
        ("The Lamp Four", "Lamp 4"),
        ("Über Lampe", "Ueber Lampe"),
        ("The Long Lamp", "Long Lamp"),
        ("Лампа", "лампа"),
        ("ランプ", "ランプ"),
        ("Щука и Хвост", "Shchuka i Khvost"),
        ("Щука и Хвост", "Schuka i Hvost"),
        ("Жёлтый", "Zheltyi"),
        ("Жёлтый", "Zhyoltyy"),
        ("ō lamp", "ou lamp"),
        ("Seven Lamps", "7 Lamps"),
        ("Lamp Part Two", "Lamp 2"),
        ("Lamp: Vol. 2", "Lamp Volume II"),
        ("Lamp, The", "The Lamp"),
        ("Lampe et Phare", "Lampe & Phare"),
    ],
)
def test_spellings_of_one_title(one: str, other: str) -> None:
    assert same_title(one, other)
    assert same_title(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It", "It Follows"),
        ("It", "Lit"),
        ("Up", "Step Up"),
        ("Lamp", "Lamp II"),
        ("Lamp II", "Lamp III"),
        ("Thing", "The Thing"),
        ("Revolution", "Evolution"),
        ("Nine", "9"),
        ("Лампа 11", "Lampa 1"),
        ("Лампа", "Lamba"),
        ("Yuri", "Juri"),
        ("Lamp", ""),
        ("", ""),
    ],
)
def test_titles_of_two_works(one: str, other: str) -> None:
    assert not same_title(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [("Щелкунчик", "Schelkunchik"), ("Lamp II", "lamp 2"), ("Κυνόδοντας", "Kynodontas")]
)
def test_an_index_of_titles_finds_every_spelling(one: str, other: str) -> None:
    assert same_title(one, other)
    assert likely_keys(one) & likely_keys(other)
    assert not likely_keys(one) & likely_keys(f"{other} 3")


@pytest.mark.parametrize(
    ("wanted", "name", "expected"),
    [
        (IT, "It.2017.1080p.BluRay.x264-GRP", []),
        (IT, "It.2018.1080p.BluRay.x264-GRP", []),
        (IT, "It.1080p.BluRay.x264-GRP", []),
        (IT, "It.1990.1080p.BluRay.x264-GRP", ["wrong_year"]),
        (IT, "It.Follows.2014.1080p.BluRay.x264-GRP", ["wrong_title", ]),
        (IT, "It.Comes.at.Night.2017.1080p.WEB-DL", ["wrong_title"]),
        (IT, "It.S01E01.1080p.WEB-DL", ["wrong_kind"]),
        (Wanted("movie", "Up", year=2009), "Up.in.the.Air.2009.1080p.BluRay", ["wrong_title"]),
        (Wanted("movie", "Revolution", year=1985), "Revolution.S01E05.HDTV.x264-GRP", ["wrong_kind"]),
        (Wanted("tv", "Camelot", year=2011, season=1, episode=2), "Camelot.S01E02.720p.HDTV.x264-GRP", []),
        (Wanted("tv", "Camelot", season=1, episode=2), "Camelot.1967.1080p.BluRay", ["wrong_kind"]),
        (Wanted("movie", "Lamp Runner 2049", year=2017), "Lamp.Runner.2049.1080p.BluRay", []),
        (Wanted("movie", "Lamp Runner", year=1982), "Lamp.Runner.2049.1080p.BluRay", ["wrong_year"]),
        (Wanted("movie", "Lamp Runner", year=1982), "Lamp.Runner.2049.2017.1080p.BluRay", ["wrong_title"]),
        (Wanted("movie", "Room 415", year=2012), "Room.415.1080p.WEB.x264-GRP", []),
        (Wanted("movie", "Room", year=2015), "Room.415.1080p.WEB.x264-GRP", ["wrong_kind"]),
        (Wanted("movie", "Lamp Season 2", year=2008), "Lamp.Season.2.2008.1080p.BluRay", []),
        (Wanted("movie", "Lamp", year=2008), "Lamp.Season.2.2008.1080p.BluRay", ["wrong_kind"]),
        (Wanted("movie", "Series 7: The Lamps", year=2001), "Series.7.The.Lamps.2001.1080p.BluRay", []),
        (Wanted("movie", "Episode 50", year=2011), "Episode.50.2011.1080p.BluRay", []),
        (Wanted("movie", "Le Phare", ("The Lighthouse Lamp",)), "The.Lighthouse.Lamp.2019.1080p", []),
        (Wanted("movie", "The Lincoln Lamp"), "La Défense Lampe (The Lincoln Lamp) 2011 [DVDRip]", []),
    ],
)  # fmt: skip
def test_films(wanted: Wanted, name: str, expected: list[str]) -> None:
    assert codes(wanted, name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("The.Lamp.S02E03.720p.HDTV", []),
        ("The.Lamp.2010.S02E03.720p.HDTV", []),
        ("The Lamp (2010) - 2x03 - Name", []),
        ("The.Lamp.S02E02E03.720p.HDTV", []),
        ("The.Lamp.S02.1080p.BluRay", []),
        ("The.Lamp.S01-S03.1080p.BluRay", []),
        ("The Lamp The Complete Series 1080p", []),
        ("The.Lamp.S02.2021.1080p.WEB-DL", []),
        ("The.Lamp.S03E03.720p.HDTV", ["wrong_season"]),
        ("The.Lamp.S02E04.720p.HDTV", ["wrong_episode"]),
        ("The.Lamp.S03.1080p.BluRay", ["wrong_season"]),
        ("The.Lamp.1987.S02E03.720p.HDTV", ["wrong_year"]),
        ("The.Lamp.UK.S02E03.720p.HDTV", ["wrong_title"]),
        ("The.Lamps.S02E03.720p.HDTV", ["wrong_title"]),
        ("The.Lamp.2010.1080p.BluRay", ["wrong_kind"]),
        ("[Grp] The Lamp - 15 [1080p]", ["wrong_episode"]),
        ("The.Lamp.2011.03.04.720p.HDTV", ["wrong_episode"]),
    ],
)
def test_episodes(name: str, expected: list[str]) -> None:
    assert codes(LAMP, name) == expected


def test_the_country_of_the_series_may_stand_in_its_title() -> None:
    assert codes(replace(LAMP, titles=("The Lamp US",)), "The.Lamp.US.S02E03.720p.HDTV") == []
    assert codes(replace(LAMP, titles=("The Lamp US",)), "The.Lamp.(UK).S02E03.720p.HDTV") == ["wrong_title"]


def test_a_year_that_is_the_title_is_no_year() -> None:
    assert codes(Wanted("tv", "Lamp: 1999", year=1975, season=1, episode=1), "Lamp.1999.S01E01.720p") == []


def test_an_episode_is_known_by_its_count_or_its_date() -> None:
    wanted = replace(LAMP, absolute_episode=15, air_date=date(2011, 3, 4))
    assert codes(wanted, "[Grp] The Lamp - 15 [1080p]") == []
    assert codes(wanted, "[Grp] The Lamp - 16 [1080p]") == ["wrong_episode"]
    assert codes(wanted, "[Grp] The Lamp - 13-24 [1080p] (Batch)") == []
    assert codes(wanted, "The.Lamp.2011.03.04.720p.HDTV") == []


def test_a_count_within_a_season_is_not_one_over_the_series() -> None:
    wanted = replace(LAMP, season=1, absolute_episode=3)
    assert codes(wanted, "[Grp] The Lamp S2 - 03 [1080p]") == ["wrong_season"]


def test_a_verdict_says_what_was_found_and_what_was_wanted() -> None:
    (verdict,) = mismatches(LAMP, parse("The.Lamp.S02E04E05E06.720p.HDTV"))
    assert verdict.sentence() == "It holds episode 4 to 6, wanted is episode 3."
