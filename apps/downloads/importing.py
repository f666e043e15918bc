"""Taking files that lie on disk already into somebody's library: read with guessit, matched with TMDB's titles, linked.

Nothing that lies there is moved, changed or deleted. Importing again changes nothing: what is in the library is recognised by
its title and its file. What is not understood is left alone and told with the reason.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from guessit import guessit

from apps.accounts import audit
from apps.accounts.models import User
from apps.downloads import naming, placing, quotas, sidecars
from apps.downloads.engine import video
from apps.downloads.engine.metainfo import TorrentFile
from apps.downloads.library import probe
from apps.downloads.models import STATUS_OF, Download, LibraryFile, Phase, TorrentState
from apps.downloads.releases.parse import parse
from apps.downloads.releases.spelling import same_title
from apps.media import services as titles
from apps.media.models import Kind, Media
from sokoul.env import ENV
from sokoul.errors import PermanentError, SokoulError
from sokoul.said import here

HIGHEST = 9999  # number of a season or an episode, as everywhere
LONGEST_PATH = 1000
SURE = 80  # percent of confidence from which on a file is imported


class Outcome(StrEnum):
    IMPORTED = "imported"
    WOULD = "would import"
    THERE = "there already"
    LEFT = "left alone"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one file. `confidence` in percent; `target` below the library; `reason` says why it was left."""

    path: str
    outcome: Outcome = Outcome.LEFT
    title: str = ""
    year: int | None = None
    season: int | None = None
    episodes: tuple[int, ...] = ()
    confidence: int = 0
    target: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Guess:
    """What the name of a file and those of its folders say."""

    kind: Kind
    title: str
    year: int | None
    season: int | None
    episodes: tuple[int, ...]


def videos_in(folder: Path) -> list[Path]:
    """Every video below it, no links and nothing hidden, in the order of their names. PermanentError where there is no such
    folder."""
    if not folder.is_dir():
        raise PermanentError(_("There is no such folder, or it may not be read."), code="no_folder")
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [Path(parent, name) for name in sorted(files) if not name.startswith(".")]
        found += [path for path in paths if path.suffix.lower() in video.VIDEO and _is_plain(path)]
    return found


def _is_plain(path: Path) -> bool:
    """A file of its own: of a link nobody knows what it is tomorrow, and reading a pipe waits for ever."""
    return path.is_file() and not path.is_symlink()


def _printable(path: Path) -> str:
    """As it can be shown: names on disk may be no UTF-8, and hold what a terminal obeys."""
    return "".join(char if char.isprintable() else "\ufffd" for char in str(path))


def run(user: User, folder: Path, *, dry_run: bool = False, by: User | None = None) -> Iterator[Result]:
    """One result a video, as it is done; the audit trail has their number at the end. `by`: the admin who had it done."""
    folder = folder.resolve()
    counts = dict.fromkeys(Outcome, 0)
    best = cache(_matches)
    try:
        for path in videos_in(folder):
            result = _one(user, folder, path, best, dry_run=dry_run)
            counts[result.outcome] += 1
            yield result
    finally:
        if counts[Outcome.IMPORTED]:
            with transaction.atomic():
                audit.record(
                    "library.imported",
                    user.username,
                    by,
                    imported=counts[Outcome.IMPORTED],
                    left=counts[Outcome.LEFT],
                )


def _one(user: User, folder: Path, path: Path, best: Any, *, dry_run: bool) -> Result:
    result = Result(_printable(path.relative_to(folder)))
    try:
        _check_name(path)
        guess = read(PurePosixPath(path.relative_to(folder.parent)))
        media_id, confidence = best(guess.kind, guess.title, guess.year)
        media = Media.objects.get(pk=media_id)
        result = replace(
            result,
            title=media.title,
            year=media.year,
            season=guess.season,
            episodes=guess.episodes,
            confidence=confidence,
        )
        if confidence < SURE:
            raise PermanentError(
                _("It may be “%(title)s”, which is not sure enough.") % {"title": media}, code="unsure"
            )
        return _take(user, path, media, guess, result, dry_run=dry_run)
    except (SokoulError, OSError) as error:
        refused = _("The disk refuses: %(why)s.")
        reason = here(error.message) if isinstance(error, SokoulError) else refused % {"why": error.strerror}
        return replace(result, outcome=Outcome.LEFT, reason=reason)


def _check_name(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise PermanentError(_("Its name, or that of a folder above it, is no UTF-8."), code="no_utf8") from None
    if len(str(path)) > LONGEST_PATH:
        raise PermanentError(
            _("Its path has more than %(count)d characters.") % {"count": LONGEST_PATH}, code="long_path"
        )


def read(path: PurePosixPath) -> Guess:
    """Of a path below the folder, that folder's own name first. Raises PermanentError for what is no film and no episode."""
    file = TorrentFile(0, str(path), 0)
    if video.is_sample(file):
        raise PermanentError(_("It is a sample."), code="sample")
    if sidecars.is_extra(str(path)):
        raise PermanentError(_("It is a trailer, a featurette or another extra."), code="extra")
    found = guessit(str(path))
    title, season, numbers = found.get("title"), _numbers(found.get("season")), _numbers(found.get("episode"))
    if not isinstance(title, str) or not title.strip():
        raise PermanentError(_("Its name holds no title."), code="no_title")
    if found.get("type") != "episode":
        return Guess(Kind.MOVIE, title, found.get("year"), None, ())
    if len(season) != 1 or not numbers:
        raise PermanentError(
            _("Its name says neither a season with an episode nor that it is a film."), code="no_number"
        )
    if max(season[0], *numbers) > HIGHEST:
        raise PermanentError(
            _("No season or episode has a number above %(most)d.") % {"most": HIGHEST}, code="no_number"
        )
    return Guess(Kind.TV, title, found.get("year"), season[0], tuple(numbers))


def _numbers(value: object) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return sorted({number for number in values if isinstance(number, int)})


def _matches(kind: Kind, title: str, year: int | None) -> tuple[int, int]:
    """(title's id, confidence) of the one that fits best. Raises PermanentError where none does, or several do alike."""
    found = titles.search_titles(title, kind.value)
    rated = sorted(((confidence(row, title, year), row["id"]) for row in found["results"]), reverse=True)
    if not rated or rated[0][0] <= 0:
        text = (
            _("TMDB does not answer, and nothing here is called “%(title)s”.")
            if found["degraded"]
            else _("At TMDB nothing is called “%(title)s”.")
        )
        raise PermanentError(text % {"title": title}, code="unknown")
    if len(rated) > 1 and SURE <= rated[0][0] == rated[1][0]:
        text = _("Several titles are called “%(title)s”; a year in its name would tell.")
        raise PermanentError(text % {"title": title}, code="ambiguous")
    return rated[0][1], rated[0][0]


def confidence(row: dict[str, Any], title: str, year: int | None) -> int:
    """Percent: how surely a title of TMDB is the one of a file. The same title counts 70, its year 30."""
    same = same_title(row["title"], title) or same_title(row["original_title"], title)
    if year is None or row["year"] is None:
        return 85 if same else 0
    apart = abs(row["year"] - year)
    if not same:
        return 60 if apart == 0 else 0
    return {0: 100, 1: 80}.get(apart, 20)


def _take(user: User, path: Path, media: Media, guess: Guess, result: Result, *, dry_run: bool) -> Result:
    target = "" if guess.season is None else f"s{guess.season:02d}e{guess.episodes[0]:02d}"
    if (known := _known(user, media, target, guess, path)) is not None:
        if not known.samefile(path):
            raise PermanentError(_("Another file of this title is in the library already."), code="another")
        return replace(result, outcome=Outcome.THERE, target=str(known.relative_to(ENV.library)))
    facts = probe(path)
    if facts is None:
        raise PermanentError(_("It holds no video that can be played."), code="no_video")
    wanted = _wanted(path, media, guess, facts)
    if dry_run:
        return replace(result, outcome=Outcome.WOULD, target=str(wanted))
    placed, linked = _placed(path, wanted)
    if not _record(user, path, media, guess, target, placed, facts, linked=linked):
        return replace(result, outcome=Outcome.THERE, target=str(placed))
    return replace(result, outcome=Outcome.IMPORTED, target=str(placed))


def _known(user: User, media: Media, target: str, guess: Guess, path: Path) -> Path | None:
    """The file by which this person has it already: this one, where it is among them."""
    rows = LibraryFile.objects.filter(user=user, media=media)
    rows = rows.exclude(download__phase__in=[Phase.FAILED, Phase.CANCELLED]).order_by("pk")
    held = list(rows.filter(download__target=target).values_list("path", flat=True))
    if guess.season is not None:
        packs = rows.filter(Q(download__season=guess.season) | Q(download__season=None), download__episode=None)
        packed = packs.exclude(download__target=target).values_list("path", flat=True)
        held += [file for file in packed if _is_episode(file, guess.season, guess.episodes[0])]
    files = [ENV.library / file for file in held]
    there = [file for file in files if file.exists()]
    return next((file for file in there if file.samefile(path)), there[0] if there else None)


@lru_cache(maxsize=8192)
def _is_episode(path: str, season: int, episode: int) -> bool:
    """Of a pack, whose download does not say which file is which."""
    found = parse(PurePosixPath(path).stem)
    return season in found.seasons and episode in found.episodes


def _wanted(path: Path, media: Media, guess: Guess, facts: dict[str, Any]) -> PurePosixPath:
    if path.is_relative_to(ENV.library.resolve()):
        return PurePosixPath(path.relative_to(ENV.library.resolve()))
    season, episode = guess.season, guess.episodes[0] if guess.episodes else None
    known = naming.Facts(
        path.name,
        facts["width"],
        facts["height"],
        path.stem,
        season,
        episode,
        facts["video_codec"],
        facts["audio_codec"],
    )
    return naming.name(media, known)


def _placed(path: Path, wanted: PurePosixPath) -> tuple[PurePosixPath, bool]:
    """In place where it lies below the library, else by LINK_MODE, with what lies beside it."""
    if path.is_relative_to(ENV.library.resolve()):
        return wanted, True
    placed, linked = placing.place(path, wanted)
    around = [(str(file), file.stat().st_size) for file in sidecars.beside(path) if _is_plain(file)]
    for one in sidecars.of([str(path)], around, ENV.library_extras).get(str(path), []):
        placing.place(Path(one.path), placed.with_name(f"{placed.stem}{one.ending}"))
    return placed, linked


def _record(
    user: User, path: Path, media: Media, guess: Guess, target: str, placed: PurePosixPath, facts: dict[str, Any],
    *, linked: bool,
) -> bool:  # fmt: skip
    """The rows of a download that is complete, in one transaction; False where somebody was faster."""
    size, now = path.stat().st_size, timezone.now()
    with transaction.atomic():
        if quotas.hold(user.pk) is None:
            raise PermanentError(_("This account is gone."), code="not_found")
        active = Download.objects.filter(user=user, media=media, target=target)
        if active.exclude(phase__in=[Phase.FAILED, Phase.CANCELLED]).exists():
            return False
        download = Download.objects.create(
            user=user, media=media, target=target, season=guess.season, name=path.stem[:1000], phase=Phase.DONE,
            episode=guess.episodes[0] if guess.episodes else None, status=STATUS_OF[Phase.DONE], progress=100,
            bytes_done=size, bytes_total=size, completed_at=now, finished_at=now,
        )  # fmt: skip
        TorrentState.objects.create(download=download, files=[{"index": 0, "path": path.name, "size": size}])
        LibraryFile.objects.create(
            user=user, media=media, download=download, index=0, path=str(placed), size=size, linked=linked, **facts
        )
    return True
