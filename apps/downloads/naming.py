"""Where a video goes in the library: what the templates of NAMING_MOVIE and NAMING_EPISODE make of a title and its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from apps.downloads.engine.video import ending
from apps.downloads.releases.parse import parse
from apps.media.models import Kind, Media
from sokoul.env import ENV
from sokoul.naming import Template, Value, clean


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a video beside its title: `path` within its release, the release's name, what was wished for.

    beside: it is kept beside another copy of the title, so that its name has to tell it from that one's.
    """

    path: str
    width: int
    height: int
    release: str = ""
    season: int | None = None
    episode: int | None = None
    video: str = ""
    audio: str = ""
    beside: bool = False


@lru_cache(maxsize=8)
def template_of(kind: str, text: str) -> Template:
    return Template.read(text, kind)


def name(media: Media, facts: Facts, *, movie: str = "", episode: str = "", part: int = 0) -> PurePosixPath:
    """Below the library, with its ending. `movie` and `episode` are other templates than the configured ones; `part`: of a
    film in several files. An episode that nobody can number goes to the series' extras."""
    path = PurePosixPath(facts.path)
    values = _values(media, facts)
    if media.kind == Kind.MOVIE:
        template = template_of("movie", movie or ENV.naming_movie)
        found = template.render(values)
        stem = f"{found.name}{_apart(template, facts)}{f' - part {part}' if part else ''}"
        return found.with_name(f"{stem}{ending(facts.path)}")
    template = template_of("episode", episode or ENV.naming_episode)
    season, episodes = _numbers(facts)
    if season is None or not episodes:
        folder = template.render({**values, "season": 0, "episode": (0,)}).parts[:-1]
        home = PurePosixPath(*folder[: _folders_of_series(template)])
        return home / "Extras" / f"{clean(path.stem)}{ending(facts.path)}"
    found = template.render({**values, "season": season, "episode": episodes})
    return found.with_name(f"{found.name}{_apart(template, facts)}{ending(facts.path)}")


def _apart(template: Template, facts: Facts) -> str:
    """The quality behind the name of a copy, where the template does not hold it. Of two in one quality the second gets a number."""
    if not facts.beside or template.holds("quality"):
        return ""
    return f" - {height_of(facts.width, facts.height)}"


def of_extra(film: PurePosixPath, path: str) -> PurePosixPath:
    """Of a trailer or the like, in a folder beside its film."""
    pure = PurePosixPath(path)
    return film.parent / "extras" / f"{clean(pure.stem)}{ending(path)}"


def _folders_of_series(template: Template) -> int:
    """How many of its folders do not depend on the season."""
    names = [{token for _, token, _ in part} for part in template.parts[:-1]]
    return next((index for index, tokens in enumerate(names) if tokens & {"season", "episode"}), len(names))


def _numbers(facts: Facts) -> tuple[int | None, tuple[int, ...]]:
    """Of the file's own name, else of what was wished for."""
    read = parse(PurePosixPath(facts.path).stem)
    season = read.seasons[0] if read.seasons else facts.season
    return season, read.episodes or ((facts.episode,) if facts.episode is not None else ())


def _values(media: Media, facts: Facts) -> dict[str, Value]:
    release = parse(facts.release or PurePosixPath(facts.path).stem)
    return {
        "title": media.title,
        "original_title": media.original_title or media.title,
        "year": media.year,
        "imdb": media.imdb_id or None,
        "tmdb": str(media.tmdb_id),
        "quality": height_of(facts.width, facts.height),
        "source": release.source,
        "video": facts.video,
        "audio": facts.audio,
        "group": release.group,
        "edition": release.edition,
    }


def height_of(width: int, height: int) -> str:
    """The usual name of a picture's size: a wide film of 1920 by 800 is still 1080p."""
    for wide, high in ((3000, 2160), (1800, 1080), (1200, 720), (700, 480)):
        if width >= wide or height >= high:
            return f"{high}p"
    return f"{height}p"


def names(media: Media, found: Sequence[tuple[int, Facts]]) -> dict[int, PurePosixPath]:
    """{index: path below the library} of the videos of one release."""
    ordered = sorted(found, key=lambda one: one[1].path)
    several = len(ordered) > 1
    return {index: name(media, facts, part=number * several) for number, (index, facts) in enumerate(ordered, 1)}
