"""Whether a release is the film or the episode that is wanted."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.spelling import is_any_of, same_title, season_of
from apps.downloads.releases.verdict import Verdict

# Not even a first season has so many episodes: “S01E1015” is counted over the series.
_MANY = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. titles: alternative and original ones; runtime: minutes, of one episode for a series.

    absolute_episode, air_date: other ways by which the same episode is named; absolute_span: the first and the last
    episode of a wanted season, counted over the series.
    namesakes: years of other works of the same title and kind, with which this one must not be confused.
    original_language: ISO 639-1, of the work.
    """

    kind: Literal["movie", "tv"]
    title: str
    titles: tuple[str, ...] = ()
    year: int | None = None
    season: int | None = None
    episode: int | None = None
    runtime: int | None = None
    absolute_episode: int | None = None
    absolute_span: tuple[int, int] | None = None
    air_date: date | None = None
    namesakes: tuple[int, ...] = ()
    original_language: str | None = None


def mismatches(wanted: Wanted, release: ReleaseName) -> list[Verdict]:
    """Why the release is not the wanted thing; empty when it is."""
    checks = (_kind, _title, _year, _number) if wanted.kind == "tv" else (_kind, _title, _year)
    release = _of_titled_season(wanted, release)
    return [verdict for check in checks if (verdict := check(wanted, release)) is not None]


def year_distance(wanted: Wanted, release: ReleaseName) -> int | None:
    """Years between the two where both are known and the release's names the work, not an episode or a season."""
    years = [year for title, year in _readings(wanted, release) if _is_wanted(title, wanted)]
    if not years or None in years or wanted.year is None:
        return None
    return min(abs(year - wanted.year) for year in years if year is not None)


def is_ambiguous(wanted: Wanted, release: ReleaseName) -> bool:
    """Whether the name may as well be of a namesake: it gives no year, and the title that they share.

    Of series of one title, the first is named without its year by the custom of the field.
    """
    rivals = wanted.namesakes if wanted.kind == "movie" else [y for y in wanted.namesakes if y < (wanted.year or 0)]
    shared = any(year is None and same_title(title, wanted.title) for title, year in _readings(wanted, release))
    return bool(rivals) and shared


def _of_titled_season(wanted: Wanted, release: ReleaseName) -> ReleaseName:
    """“Some Anime II - 03” is the third episode of the second season, unless the II belongs to the wanted title."""
    if wanted.kind == "movie" or release.seasons or release.absolute_episode is None or _has_title(wanted, release):
        return release
    bare, season = season_of(release.title)
    if season is None or not _is_wanted(bare, wanted):
        return release
    episodes = release.episodes or (release.absolute_episode,)
    return replace(release, title=bare, seasons=(season,), episodes=episodes, absolute_episode=None)


def _readings(wanted: Wanted, release: ReleaseName) -> list[tuple[str, int | None]]:
    """The titles that the name can mean, each with the year that it then states."""
    as_film = wanted.kind == "movie" and _may_be_film(release)
    titles = release.alternative_titles if as_film else (release.title, *release.alternative_titles)
    readings: list[tuple[str, int | None]] = []
    for title in titles:
        readings += _of_film(title, release.year) if wanted.kind == "movie" else _of_series(title, release.year)
    return readings


def _of_film(title: str, year: int | None) -> list[tuple[str, int | None]]:
    """“Lamp Runner 2049” is of 2049, or has a number in its title and no year."""
    return [(title, year)] if year is None else [(title, year), (f"{title} {year}", None)]


def _of_series(title: str, year: int | None) -> list[tuple[str, int | None]]:
    """“Some Series 2010”: with and without the year that tells series of one title apart."""
    readings: list[tuple[str, int | None]] = [(title, None)]
    bare = title.rstrip(" )]")
    if year is not None and bare.endswith(str(year)):
        readings.append((bare[: -len(str(year))].rstrip(" ([-."), year))
    return readings


def _is_wanted(title: str, wanted: Wanted) -> bool:
    return is_any_of(title, (wanted.title, *wanted.titles))


def _may_be_film(release: ReleaseName) -> bool:
    """Whether what was taken for a number may be of a film's title: “Room 415”, “Open Season 2”, “Lampwars Episode 4”."""
    return bool({"season", "episodes"} & set(release.assumed)) or bool(release.seasons and not release.episodes)


def _has_title(wanted: Wanted, release: ReleaseName) -> bool:
    return any(_is_wanted(title, wanted) for title, _ in _readings(wanted, release))


def _title(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    if _has_title(wanted, release):
        return None
    if _kind(wanted, release) and any(
        _is_wanted(title, wanted) for title, _ in _of_series(release.title, release.year)
    ):
        return None  # a series of the film's title
    return Verdict("wrong_title", {"found": release.title, "wanted": wanted.title})


def _year(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    distance = year_distance(wanted, release)
    if distance is None or (distance <= 1 and not (distance and release.year in wanted.namesakes)):
        return None
    return Verdict("wrong_year", {"found": release.year, "wanted": wanted.year})


def _kind(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    if wanted.kind == "movie" and release.is_series and not (_may_be_film(release) and _has_title(wanted, release)):
        return Verdict("wrong_kind", {"found": "a series", "wanted": "a film"})
    if wanted.kind == "tv" and not release.is_series and not release.complete:
        return Verdict("wrong_kind", {"found": "a film", "wanted": "a series"})
    return None


def _number(wanted: Wanted, release: ReleaseName) -> Verdict | None:
    if wanted.season is None or not release.is_series or _same_otherwise(wanted, release):
        return None
    if not release.seasons or ("season" in release.assumed and "episodes" not in release.assumed):
        found = release.air_date or release.absolute_episode or _listed(release.episodes)
        return Verdict("wrong_episode", {"found": found, "wanted": _wanted_number(wanted)})
    if wanted.season not in release.seasons:
        return Verdict("wrong_season", {"found": _listed(release.seasons), "wanted": wanted.season})
    if release.partial:
        return Verdict("partial_season", {"wanted": wanted.season})
    if wanted.episode is not None and release.episodes and wanted.episode not in release.episodes:
        return Verdict("wrong_episode", {"found": _listed(release.episodes), "wanted": wanted.episode})
    return None


def _same_otherwise(wanted: Wanted, release: ReleaseName) -> bool:
    """Whether it is the same episode by its air date or counted over the series, where the name gives no season."""
    if release.air_date is not None and release.air_date == wanted.air_date:
        return True
    if release.special:
        return False
    if release.seasons and "season" not in release.assumed:
        counted = release.seasons == (1,) and release.episodes[:1] >= (_MANY,)
        return counted and wanted.absolute_episode in release.episodes
    counts = release.episodes or (release.absolute_episode,)
    if "episodes" in release.assumed:
        counts = tuple(100 * season + episode for season in release.seasons for episode in release.episodes)
    # Within the first season both counts are one.
    if wanted.episode is None:
        first, last = wanted.absolute_span or (1, 1)
        return len(counts) > 1 and (wanted.season == 1 or last > 1) and {first, last} <= set(counts)
    count = wanted.absolute_episode or (wanted.episode if wanted.season == 1 else None)
    return count is not None and count in counts


def _wanted_number(wanted: Wanted) -> str:
    return f"S{wanted.season:02}" + (f"E{wanted.episode:02}" if wanted.episode is not None else "")


def _listed(numbers: tuple[int, ...]) -> str:
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
