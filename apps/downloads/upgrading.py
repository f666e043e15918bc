"""Filing an upgrade: a better release takes the place of what it replaces, all of it or none.

A crash on any line leaves both or one of them, never neither: the old files are in the bin before the new ones are put in
place; rows change in one transaction, during which nobody else mends (`recycling`); filing begins anew where it is not done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.db import transaction
from django.db.models import Case, Value, When
from django.utils.translation import gettext as _

from apps.downloads import placing, quotas, recycling, rows, sidecars
from apps.downloads.models import Download, LibraryFile, Phase
from sokoul import logs
from sokoul.env import ENV
from sokoul.said import said

log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Placing:
    """A file of the new release, ready on the library's file system, and where it goes."""

    index: int
    source: Path
    staged: Path
    path: PurePosixPath


def is_due(download: Download) -> bool:
    """Whether there is something that the download is to replace, and has not replaced yet."""
    complete = Download.objects.filter(pk=download.replaces_id or 0, phase__in=[Phase.SEEDING, Phase.DONE])
    return complete.exists()


def _replaced_by(download: Download) -> set[str]:
    """Paths of the old files that are to make room: not those that somebody else's rows name as well."""
    assert download.replaces_id is not None
    old = set(LibraryFile.objects.filter(download_id=download.replaces_id).values_list("path", flat=True))
    others = LibraryFile.objects.filter(path__in=old).exclude(download_id=download.replaces_id)
    return old - set(others.exclude(download_id=download.pk).values_list("path", flat=True))


def swap(
    download: Download,
    files: dict[int, tuple[Path, PurePosixPath]],
    row: Callable[[int, PurePosixPath, bool], LibraryFile],
) -> list[LibraryFile]:
    """File `files` ({index: (source, wanted path)}) in the old ones' place; nothing where the download is filed no longer."""
    old = _replaced_by(download)
    ready: list[Placing] = []
    try:
        for index, (source, target) in files.items():
            path = _where(source, target, old, {one.path for one in ready})
            ready.append(Placing(index, source, placing.stage(source), path))
        filed = _commit(download, old, ready, row)
    finally:
        for one in ready:
            one.staged.unlink(missing_ok=True)
    if filed:
        recycling.finish(download.pk)
    return filed


def _where(source: Path, target: PurePosixPath, old: set[str], taken: set[PurePosixPath]) -> PurePosixPath:
    """The name as wanted where it is free, an old file's or ours already; else with a number."""
    for name in placing.numbered(target):
        file = ENV.library / name
        if name in taken:
            continue
        if str(name) in old or not file.exists() or placing.is_same(source, file):
            return name
    raise AssertionError("numbered() ends by raising")


def _commit(
    download: Download, old: set[str], ready: list[Placing], row: Callable[[int, PurePosixPath, bool], LibraryFile]
) -> list[LibraryFile]:
    with transaction.atomic():
        both = Download.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
        held = {found.pk: found for found in both.filter(pk__in=[download.pk, download.replaces_id])}
        if download.pk not in held or held[download.pk].phase != Phase.FILING:
            return []  # cancelled meanwhile
        recycling.announce(download.pk, {str(one.path): one.staged for one in ready})
        for path in sorted(old):
            _set_aside(download.pk, path)
        filed = []
        for one in ready:
            file = ENV.library / one.path
            one.staged.replace(file)
            filed.append(row(one.index, one.path, file.samefile(one.source)))
        LibraryFile.objects.filter(download=held.get(download.replaces_id or 0)).delete()
        LibraryFile.objects.bulk_create(filed, ignore_conflicts=True)
        _end(download)
    return filed


def _set_aside(upgrade_id: int, path: str) -> None:
    """The old file stays in its place until a new one is renamed over it; what lies beside it belongs to no other."""
    recycling.keep(upgrade_id, path)
    for beside in sidecars.beside(ENV.library / path):
        recycling.keep(upgrade_id, str(beside.relative_to(ENV.library)))
        beside.unlink(missing_ok=True)


def _end(download: Download) -> None:
    """The old download: its swarm goes, too, unless another download shares it."""
    with quotas.speaking_to(download.user_id):
        reason = said(lambda: _("Replaced by a better release."))
    removal = Case(When(swarm="", then=Value("")), default=Value("delete"))
    assert download.replaces_id is not None
    rows.move(download.replaces_id, Phase.CANCELLED, after=[Phase.SEEDING, Phase.DONE], reason=reason, removal=removal)
    log.info("replaced by a better release", download_id=download.pk, replaces=download.replaces_id)
