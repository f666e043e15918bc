"""`manage.py naming`: what the templates of the library's names make of examples and of what is there."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.downloads import naming
from apps.downloads.models import LibraryFile
from apps.downloads.naming import Facts
from apps.media.models import Kind, Media
from sokoul.env import ENV
from sokoul.naming import Template
from sokoul.operator_command import OperatorCommand

FILM = Media(tmdb_id=1, kind=Kind.MOVIE, title="The Last Night Tram", year=2021, imdb_id="tt0000001")
SERIES = Media(tmdb_id=2, kind=Kind.TV, title="Harbour: Lights/Out", year=2019, imdb_id="tt0000002")
EXAMPLES = (
    (FILM, Facts("The.Last.Night.Tram.2021.1080p.BluRay.x264-GRP.mkv", 1920, 800, "", None, None, "h264", "aac")),
    (
        FILM,
        Facts("The.Last.Night.Tram.2021.Directors.Cut.2160p.WEB-DL.mkv", 3840, 2160, "", None, None, "hevc", "eac3"),
    ),
    (SERIES, Facts("Harbour.Lights.Out.S01E02.720p.HDTV.x264-GRP.mkv", 1280, 720, "", None, None, "h264", "ac3")),
    (SERIES, Facts("Harbour.Lights.Out.S01E03E04.1080p.WEB.mkv", 1920, 1080, "", None, None, "h264", "aac")),
)


class Command(OperatorCommand):
    help = (
        "Show which names NAMING_MOVIE and NAMING_EPISODE, or templates to be tried, give to examples and to the newest files "
        "of the library. Nothing is renamed: files keep the name that they were filed under."
    )
    examples = (
        "naming",
        'naming --movie "{title} ({year}) {{imdb-{imdb}}}/{title} ({year}) [{quality} {source}]"',
        'naming --episode "TV/{title}/S{season:02}/{title} S{season:02}E{episode:02}" --limit 50 --json',
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--movie", default="", help="a template for films instead of NAMING_MOVIE")
        parser.add_argument("--episode", default="", help="a template for episodes instead of NAMING_EPISODE")
        parser.add_argument("--limit", type=int, default=20, help="files of the library at most (default: 20)")

    def run(self, options: dict[str, Any]) -> None:
        templates: dict[str, str] = {
            "movie": options["movie"] or ENV.naming_movie,
            "episode": options["episode"] or ENV.naming_episode,
        }
        for kind, template in templates.items():
            try:
                Template.read(template, kind)
            except ValueError as error:
                raise CommandError(f"The template for {kind}s {error}.", returncode=2) from error
        shown = [
            (facts.path, str(naming.name(media, facts, movie=templates["movie"], episode=templates["episode"])))
            for media, facts in EXAMPLES
        ]
        there = [_renamed(file, templates) for file in _newest(options["limit"])]
        if self.as_json:
            self.tell({"templates": templates, "examples": _listed(shown), "library": _listed(there)})
            return
        self.table(("example", "name"), shown)
        if there:
            self.say("")
            self.table(("in the library", "name by these templates"), there)


def _newest(limit: int) -> list[LibraryFile]:
    rows = LibraryFile.objects.exclude(path__contains="/extras/").select_related("media", "download")
    return list(rows.order_by("-created_at", "-id")[: max(0, limit)])


def _renamed(file: LibraryFile, templates: dict[str, str]) -> tuple[str, str]:
    facts = Facts(
        file.path, file.width or 0, file.height or 0, file.download.name, file.download.season, file.download.episode,
        file.video_codec, file.audio_codec,
    )  # fmt: skip
    return file.path, str(naming.name(file.media, facts, movie=templates["movie"], episode=templates["episode"]))


def _listed(pairs: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"from": before, "name": after} for before, after in pairs]
