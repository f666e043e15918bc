"""Indexers: Prowlarr and plain Torznab feeds, asked at once and told apart by nobody above."""

from apps.downloads.indexers.fetch import fetch_torrent
from apps.downloads.indexers.gather import latest, search_all
from apps.downloads.indexers.grabs import count as count_grab
from apps.downloads.indexers.newest import note as note_newest
from apps.downloads.indexers.offer import Offer
from apps.downloads.indexers.refusals import LeftAloneError, SpentError
from apps.downloads.indexers.wish import Wish

__all__ = [
    "LeftAloneError",
    "Offer",
    "SpentError",
    "Wish",
    "count_grab",
    "fetch_torrent",
    "latest",
    "note_newest",
    "search_all",
]
