"""What a download's torrent holds, as its row says."""

from typing import Any, TypedDict

from apps.downloads.models import TorrentState
from sokoul import damage


class File(TypedDict):
    """`path` is within the torrent, `size` in bytes."""

    index: int
    path: str
    size: int


def files_of(download_id: int) -> list[File]:
    """Empty until the metadata is known. An entry that is none is left out and reported."""
    known = TorrentState.objects.filter(pk=download_id).values_list("files", flat=True).first() or []
    return list(damage.readable(known, _file, TorrentState._meta.db_table, lambda _: download_id))


def _file(entry: dict[str, Any]) -> File:
    return {"index": int(entry["index"]), "path": str(entry["path"]), "size": int(entry["size"])}
