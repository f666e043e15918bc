"""Indexers: Prowlarr and plain Torznab feeds, asked at once and told apart by nobody above."""

from apps.downloads.indexers.fetch import fetch_torrent
from apps.downloads.indexers.gather import latest, search_all
from apps.downloads.indexers.offer import Offer
from apps.downloads.indexers.wish import Wish

__all__ = ["Offer", "Wish", "fetch_torrent", "latest", "search_all"]
