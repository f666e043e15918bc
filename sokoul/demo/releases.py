"""Which releases the demo indexers list for each title, and of which files each consists.

Whatever is listed with seeders can really be downloaded from the demo swarm; sizes are those of the real files.
"""

import re
from dataclasses import dataclass
from typing import Literal

from sokoul.demo.catalogue import TITLES, words
from sokoul.demo.posters import plain
from sokoul.demo.titles import Episode, Season, Series, Title

Source = Literal["film", "film-mkv", "sample", "nfo", "subtitles", "executable", "random"]
TorrentKind = Literal["v1", "v2", "hybrid"]
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Part:
    """One file of a release: its path in the torrent, what it is made from, and at least how many bytes it has."""

    path: str
    source: Source
    size: int = 0


@dataclass(frozen=True)
class Release:
    """What an indexer lists. `title_key` names the film or series whose clip it holds, "" for other content.

    `indexers` are the ids of the Prowlarr indexers that list it; `feed` whether the plain Torznab feed does too.
    """

    key: str
    name: str
    title_key: str
    parts: tuple[Part, ...]
    seeders: int
    leechers: int = 3
    kind: TorrentKind = "v1"
    indexers: tuple[int, ...] = (1,)
    feed: bool = False
    magnet_only: bool = False
    published: str = "2026-03-01T12:00:00Z"
    piece_size: int = 0

    @property
    def folder(self) -> bool:
        """Whether the torrent holds a folder (several files) or a single file."""
        return len(self.parts) > 1 or "/" in self.parts[0].path

    @property
    def categories(self) -> tuple[int, int]:
        """Newznab categories: the parent (2000 films, 5000 television) and one by resolution."""
        television = bool(re.search(r"\bS\d\d", self.name))
        sub = 45 if "2160p" in self.name else 40 if re.search(r"1080p|720p", self.name) else 30
        return (5000, 5000 + sub) if television else (2000, 2000 + sub)


def dotted(text: str) -> str:
    """A title the way release names write it: The.Last.Night.Tram, Robot.and.Teapot, M.I.N.T."""
    text = plain(text).replace("&", "and").replace("'", "").replace("?", "")
    return re.sub(r"[^A-Za-z0-9.\-]+", ".", text).strip(".")


def _video(
    title: Title, name: str, seeders: int, *, megabytes: float = 0, source: Source = "film",
    kind: TorrentKind = "v1", indexers: tuple[int, ...] = (1,), feed: bool = False, magnet_only: bool = False,
) -> Release:  # fmt: skip
    """A release of one video file."""
    suffix = ".mkv" if source == "film-mkv" else ".mp4"
    part = Part(name + suffix, source, int(megabytes * MEGABYTE))
    return Release(
        key="-".join(words(name)), name=name, title_key=title.key, parts=(part,), seeders=seeders,
        leechers=seeders // 4, kind=kind, indexers=indexers, feed=feed, magnet_only=magnet_only,
        published=f"{max(title.year or 2026, 2021)}-11-{1 + len(name) % 27:02}T08:30:00Z",
    )  # fmt: skip


def usual(title: Title) -> list[Release]:
    """What every film has: the good ones, a camera copy, and one that nobody seeds any more."""
    name = f"{dotted(title.title[0])}.{title.year}"
    return [
        _video(title, f"{name}.2160p.WEB-DL.DDP5.1.HDR.HEVC-AURORE", 18, megabytes=10, indexers=(1,)),
        _video(title, f"{name}.1080p.BluRay.x264-HALIOTE", 57, megabytes=8, indexers=(1, 2), feed=True),
        _video(title, f"{name}.1080p.WEB-DL.AAC2.0.H.264-MAREE", 120, megabytes=6, indexers=(1,)),
        _video(title, f"{name}.720p.WEB-DL.AAC2.0.H.264-MAREE", 44, indexers=(1, 2)),
        _video(title, f"{name}.HDCAM.x264-QUAI", 210, indexers=(2,)),
        _video(title, f"{name}.1080p.BluRay.x265-VIEUXPHARE", 0, megabytes=4, indexers=(2,)),
    ]


def _folder(title: Title, name: str, parts: tuple[Part, ...], seeders: int, kind: TorrentKind = "v1") -> Release:
    key = "-".join(words(name))
    return Release(
        key, name, title.key, parts, seeders, seeders // 5, kind, indexers=(2,), published="2026-01-15T20:00:00Z"
    )


def _umbrella(title: Title) -> list[Release]:
    name = "The.Lighthouse.Keepers.Umbrella.2021.1080p.BluRay.DTS.x264-CORNICHE"
    stem = "the.lighthouse.keepers.umbrella.2021.1080p-corniche"
    parts = (
        Part(f"{stem}.mp4", "film", 7 * MEGABYTE),
        Part(f"{stem}.nfo", "nfo"),
        Part("Sample/sample-corniche.mp4", "sample"),
        Part("Subs/English.srt", "subtitles"),
        Part("Subs/French.srt", "subtitles"),
    )
    sample = "The.Lighthouse.Keepers.Umbrella.2021.1080p.WEB-DL.H.264.SAMPLE-MAREE"
    french = "The.Lighthouse.Keepers.Umbrella.2021.MULTi.VFF.1080p.WEB.H.264-BRETON"
    return [
        _folder(title, name, parts, 31),
        _video(title, sample, 9, source="sample"),
        _video(title, french, 26, megabytes=7),
    ]


def _snail(title: Title) -> list[Release]:
    name = "The.Snail.Express.2023"
    return [
        _video(title, f"{name}.1080p.WEB-DL.H.264.v2-ESCARGOT", 33, megabytes=5, kind="v2"),
        _video(title, f"{name}.1080p.WEB-DL.H.264.HYBRID-ESCARGOT", 35, megabytes=5, kind="hybrid"),
    ]


def _sea_called(title: Title) -> list[Release]:
    """An executable that poses as a video, beside a "codec" that nobody should run."""
    name = "What.If.the.Sea.Called.2020.1080p.WEB-DL.x264.READNFO-FREE"
    parts = (Part(f"{name}.mp4", "executable", 2 * MEGABYTE), Part("Codec.Setup.exe", "executable", 400_000))
    return [_folder(title, name, parts, 5)]


def special(title: Title) -> list[Release]:
    """What only this film has, each for a case that a ranker or a downloader must get right."""
    wrong = {
        "clockmaker": "The.Clockmakers.Daughter.of.Saint-Malo.2024.1080p.WEB-DL.H.264-MAREE",
        "ox": "Oxbow.Lake.Stories.2019.1080p.WEB-DL.H.264-MAREE",
        "kites": "Ninety-Nine.Kites.The.Making.Of.2023.1080p.WEB-DL.H.264-MAREE",
    }
    cases: dict[str, list[Release]] = {
        "umbrella": _umbrella(title),
        "snail": _snail(title),
        "sea-called": _sea_called(title),
        "teapot": [_video(title, "Robot.and.Teapot.2025.1080p.WEB-DL.H.264-BOUILLOIRE", 71, magnet_only=True)],
        "tram": [
            _video(title, "Ete.sans.tramway.2015.FRENCH.1080p.WEB.H.264-BRETON", 22, megabytes=5, feed=True),
            _video(title, "The.Last.Night.Tram.2015.1080p.BluRay.x264.MKV-HALIOTE", 12, source="film-mkv"),
        ],
        "kites": [_video(title, "99.Kites.2023.PROPER.1080p.WEB-DL.H.264-FICELLE", 15, megabytes=5)],
        "comets-2022": [_video(title, "Tin.Comets.1080p.WEB-DL.H.264-NOYEAR", 40, megabytes=5)],
    }
    found = cases.get(title.key, [])
    return [*found, _video(title, wrong[title.key], 88)] if title.key in wrong else found


def of_episode(series: Series, season: Season, episode: Episode) -> list[Release]:
    name = f"{dotted(series.title[0])}.S{season.number:02}E{episode.number:02}.{dotted(episode.name[0])}"
    return [
        _video(series, f"{name}.1080p.WEB-DL.AAC2.0.H.264-MAREE", 38 - episode.number, megabytes=5, feed=True),
        _video(series, f"{name}.720p.HDTV.x264-QUAI", 17, indexers=(1, 2)),
    ]


def of_series(series: Series) -> list[Release]:
    """Each episode in two qualities, each season as one folder."""
    found: list[Release] = []
    for season in series.seasons:
        base = f"{dotted(series.title[0])}.S{season.number:02}"
        for episode in season.episodes:
            found += of_episode(series, season, episode)
        pack = f"{base}.1080p.WEB-DL.AAC2.0.H.264-MAREE"
        parts = tuple(Part(f"{base}E{e.number:02}.1080p.WEB-DL.H.264-MAREE.mp4", "film") for e in season.episodes)
        found.append(_folder(series, pack, parts, 29))
    return found


def of_title(title: Title) -> list[Release]:
    """All releases of one title; nothing for one that is not out."""
    if title.year is None:
        return []
    return of_series(title) if isinstance(title, Series) else [*usual(title), *special(title)]


RELEASES: dict[str, Release] = {release.key: release for title in TITLES for release in of_title(title)}
