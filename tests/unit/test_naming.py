"""Names in the library: templates, what they refuse, and that no title leads out of it."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.downloads.naming import Facts, name, names, of_extra
from apps.downloads.sidecars import is_extra, of
from apps.media.models import Media
from sokoul.env import parse
from sokoul.naming import MAX_NAME_BYTES, Template, clean

EPISODE = "Series/{title} ({year})/Season {season:02}/{title} - S{season:02}E{episode:02}"
MOVIE = "Movies/{title} ({year})/{title} ({year}) - {quality}"


def film(**fields: Any) -> Media:
    return Media(**{"tmdb_id": 603, "kind": "movie", "title": "The Film", "year": 2021, "imdb_id": "tt7", **fields})


def series(**fields: Any) -> Media:
    return film(**{"kind": "tv", "title": "The Series", **fields})


def facts(path: str = "R/the.film.MKV", **fields: Any) -> Facts:
    return Facts(**{"path": path, "width": 1920, "height": 800, **fields})


@pytest.mark.parametrize(
    ("template", "media", "expected"),
    [
        (MOVIE, film(), "Movies/The Film (2021)/The Film (2021) - 1080p.mkv"),
        (MOVIE, film(year=None), "Movies/The Film/The Film - 1080p.mkv"),
        ("{title} {{imdb-{imdb}}}", film(), "The Film {imdb-tt7}.mkv"),
        ("{title} {{imdb-{imdb}}}", film(imdb_id=""), "The Film.mkv"),
        ("{title} - {edition} [{source}] [{group}]", film(), "The Film [BluRay] [GRP].mkv"),
        ("{edition} - {title}", film(), "The Film.mkv"),
        ("{tmdb}/{title}.{video}.{audio}", film(), "603/The Film.mkv"),
        ("{title}", film(title="../../etc/passwd"), "etc passwd.mkv"),
        ("{title}/{title}", film(title="CON"), "_CON/_CON.mkv"),
        ("{title}", film(title="a\u202eb\x00c: d?"), "ab c d.mkv"),
        ("{title}", film(title="..."), "Untitled.mkv"),
        ("{title}/{title}", film(title="-30-"), "-30-/-30-.mkv"),
    ],
)
def test_a_film_is_named_by_the_template(template: str, media: Media, expected: str) -> None:
    release = "The.Film.2021.1080p.BluRay.x264-GRP"
    assert str(name(media, facts(release=release), movie=template)) == expected


@pytest.mark.parametrize(
    ("path", "wish", "expected"),
    [
        ("R/the.series.s01e02.mkv", {}, "Series/The Series (2021)/Season 01/The Series - S01E02.mkv"),
        ("R/the.series.s01e02e03.mkv", {}, "Series/The Series (2021)/Season 01/The Series - S01E02E03.mkv"),
        ("R/film.mkv", {"season": 2, "episode": 5}, "Series/The Series (2021)/Season 02/The Series - S02E05.mkv"),
        ("R/making of.mkv", {}, "Series/The Series (2021)/Extras/making of.mkv"),
    ],
)
def test_an_episode_is_named_by_its_file_or_the_wish(path: str, wish: dict[str, int], expected: str) -> None:
    assert str(name(series(), facts(path, **wish), episode=EPISODE)) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{title} - {quality}", "The Film - 1080p.mkv"),
        ("{title}", "The Film - 1080p.mkv"),
        ("{quality}/{title}", "1080p/The Film.mkv"),
    ],
)
def test_a_copy_beside_another_has_its_quality_in_its_name(template: str, expected: str) -> None:
    """Each as it comes of the template; the title's own copy is named by that alone."""
    beside = replace(facts(), beside=True)
    assert str(name(film(), beside, movie=template)) == expected
    assert str(name(series(), replace(beside, season=1, episode=2), episode=EPISODE)).endswith("S01E02 - 1080p.mkv")


def test_a_film_in_several_files_has_parts() -> None:
    parts = names(film(), [(4, facts("R/b.mkv")), (2, facts("R/a.avi"))])
    stem = "Movies/The Film (2021)/The Film (2021) - 1080p - part"
    assert {index: str(path) for index, path in parts.items()} == {2: f"{stem} 1.avi", 4: f"{stem} 2.mkv"}


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=400), st.text(max_size=60))
def test_whatever_a_title_is_it_stays_within_the_library_and_is_short(title: str, group: str) -> None:
    path = Template.read("Movies/{title} ({year})/{title} - {group}", "movie").render({"title": title, "group": group})
    assert not path.is_absolute()
    assert path.parts[0] == "Movies"
    for part in path.parts:
        assert part not in {"", ".", ".."}
        assert part == part.strip(" ").rstrip(".")
        assert not set(part) & set('<>:"/\\|?*\x00')
        assert len(part.encode()) <= MAX_NAME_BYTES


def test_a_long_title_leaves_the_number_of_the_episode_whole() -> None:
    found = name(series(title="é" * 500), facts("R/x.s01e02.mkv"), episode=EPISODE)
    assert found.name.endswith("é - S01E02.mkv")
    assert len(found.stem.encode()) <= MAX_NAME_BYTES


@pytest.mark.parametrize("reserved", ["con", "AUX", "nul.txt", "COM1", "lpt9.tar.gz", "prn ."])
def test_names_that_windows_keeps_to_itself_are_avoided(reserved: str) -> None:
    assert clean(reserved).startswith("_")
    assert not clean(f"{reserved[0]}ontrol").startswith("_")


@pytest.mark.parametrize(
    ("variable", "template", "fault"),
    [
        ("NAMING_MOVIE", "../{title}", "relative path"),
        ("NAMING_MOVIE", "/{title}", "relative path"),
        ("NAMING_MOVIE", ".hidden/{title}", "begin with a dot"),
        ("NAMING_MOVIE", "a\\{title}", "with / between"),
        ("NAMING_MOVIE", "{title.__class__}", "does not know"),
        ("NAMING_MOVIE", "{title} {season}", "does not know {season}"),
        ("NAMING_MOVIE", "{title!r}", "does not know"),
        ("NAMING_MOVIE", "{title:9999999}", "no form"),
        ("NAMING_MOVIE", "{title", "not closed"),
        ("NAMING_MOVIE", "Movies/{year}", "must hold {title}"),
        ("NAMING_MOVIE", "C:/{title}", "must not hold"),
        ("NAMING_EPISODE", "{title} - {season}", "{season} and {episode}"),
        ("NAMING_EPISODE", "S{season}E{episode}", "must hold {title}"),
        ("LINK_MODE", "softlink", "'hardlink', 'refuse' or 'copy'"),
        ("LIBRARY_EXTRAS", "subtitles,posters", "'subtitles', 'nfo' or 'extras'"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_the_start(variable: str, template: str, fault: str) -> None:
    assert fault in parse({variable: template})[1][variable]


def test_extras_are_a_list_or_none() -> None:
    assert parse({"LIBRARY_EXTRAS": "nfo, subtitles"})[0].library_extras == ["nfo", "subtitles"]
    assert parse({"LIBRARY_EXTRAS": "none"})[0].library_extras == []


# What lies beside a video

FILM, ONE, TWO = "R/The.Film.mkv", "R/Show.S01E01.mkv", "R/Show.S01E02.mkv"


@pytest.mark.parametrize(
    ("path", "ending"),
    [
        ("R/The.Film.srt", ".srt"),
        ("R/The.Film.en.srt", ".en.srt"),
        ("R/The.Film.eng.forced.ass", ".en.forced.ass"),
        ("R/The.Film.pt-BR.vtt", ".pt-BR.vtt"),
        ("R/Subs/2_English.srt", ".en.srt"),
        ("R/Subs/English.SDH.srt", ".en.sdh.srt"),
        ("R/Subs/en.hi.srt", ".en.sdh.srt"),
        ("R/Subs/hi.srt", ".hi.srt"),
        ("R/The Italian Film.srt", ".srt"),
        ("R/The.Film.fr.sub", ".fr.sub"),
        ("R/The.Film.fr.idx", ".fr.idx"),
        ("R/any.nfo", ".nfo"),
    ],
)
def test_a_subtitle_keeps_its_language_and_its_purpose(path: str, ending: str) -> None:
    [one] = of([FILM], [(FILM, 9), (path, 9)], ["subtitles", "nfo"])[FILM]
    assert (one.path, one.ending) == (path, ending)


def test_two_of_one_language_are_told_apart_and_each_finds_its_episode() -> None:
    files = [("R/Subs/3_English.srt", 9), ("R/Subs/2_English.srt", 9)]
    assert [one.ending for one in of([FILM], files, ["subtitles"])[FILM]] == [".en.srt", ".en.2.srt"]
    files = [
        ("R/Subs/Show.S01E02/2_English.srt", 9),
        ("R/Show.S01E01.fr.srt", 9),
        ("R/show.1x02.de.srt", 9),
        ("R/x.srt", 9),
    ]
    found = of([ONE, TWO], files, ["subtitles"])
    assert {video: [one.ending for one in ones] for video, ones in found.items()} == {
        ONE: [".fr.srt"], TWO: [".en.srt", ".de.srt"],
    }  # fmt: skip


def test_what_is_not_wanted_or_no_subtitle_stays() -> None:
    files = [("R/The.Film.nfo", 9), ("R/The.Film.en.srt", 0), ("R/The.Film.fr.srt", 10**9), ("R/The.Film.exe", 9)]
    assert of([FILM], files, ["subtitles"]) == {}
    assert of([FILM], [("R/The.Film.en.srt", 9)], []) == {}


def test_extras_are_known_by_their_folder_or_name() -> None:
    paths = ["R/Behind.the.Scenes/one.mkv", "R/film-trailer.mkv", "Extras/film.mkv", "R/Trailer Park.mkv"]
    assert [path for path in paths if is_extra(path)] == paths[:2]


@pytest.mark.parametrize(
    "path", ["R/film.mkv ", "R/film.MKV...", "R/film.mkv\u200b", "R/film.m" + "\u200b" * 80 + "kv"]
)
def test_a_file_is_filed_with_the_ending_that_makes_it_a_film(path: str) -> None:
    assert name(film(), facts(path), movie=MOVIE).name == "The Film (2021) - 1080p.mkv"
    assert name(series(), facts(path), episode=EPISODE).suffix == ".mkv"
    assert of_extra(PurePosixPath("F/F.mkv"), path).suffix == ".mkv"
