"""Offers of indexers as `torrents` rows: the same release from several indexers is one row."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from apps.downloads.indexers import Offer
from apps.downloads.indexers.flags import COUNTED
from apps.downloads.models import Torrent
from apps.downloads.releases.name import to_json
from apps.downloads.releases.parse import parse
from sokoul.errors import TransientError
from sokoul.said import said

REFRESHED = [
    "title", "info_hash_v1", "info_hash_v2", "magnet", "download_url", "indexer", "indexers", "page_url", "size",
    "seeders", "peers", "published_at", "parsed", "flags", "seen_at",
]  # fmt: skip
TRIES = 3


@dataclass
class Release:
    """What several offers tell about one release."""

    offers: list[Offer]

    def first(self, name: str) -> Any:
        return next((value for offer in self.offers if (value := getattr(offer, name))), None)

    @property
    def v1(self) -> str | None:
        return self.first("info_hash_v1")  # type: ignore[no-any-return]

    @property
    def v2(self) -> str | None:
        return self.first("info_hash_v2")  # type: ignore[no-any-return]

    @property
    def identities(self) -> set[str]:
        return {offer.key for offer in self.offers} | {hash_ for hash_ in (self.v1, self.v2) if hash_}

    @property
    def alike(self) -> str:
        """What it is known again by where no offer tells a hash: its title and exact size."""
        return "" if self.v1 or self.v2 else next((name for offer in self.offers if (name := _alike(offer))), "")

    @property
    def flags(self) -> list[str]:
        """What is so of the release, whoever says it; what it counts, where it is fetched from."""
        anybodys = {flag for offer in self.offers for flag in offer.flags - COUNTED}
        return sorted(anybodys | self.source.flags)

    @property
    def source(self) -> Offer:
        """The offer that it is fetched from: one with an address before one that only tells a hash, then of the indexer that an
        admin prefers, then one with a .torrent before one with a magnet, then the most seeders."""
        return max(
            self.offers,
            key=lambda offer: (
                bool(offer.download_url or offer.magnet), -offer.priority, bool(offer.download_url), offer.seeders
            ),
        )  # fmt: skip


def _hashes(offer: Offer) -> list[str]:
    return [hash_ for hash_ in (offer.info_hash_v1, offer.info_hash_v2) if hash_]


def _alike(release: Offer | Torrent) -> str:
    return f"{release.title.casefold()}\n{release.size}" if release.size else ""


def merged(offers: Iterable[Offer]) -> list[Release]:
    """One entry a release: by info-hash, and by title and exact size where an offer does not tell its hash."""
    releases: list[Release] = []
    by_identity: dict[str, Release] = {}
    # Those that tell both hashes come first, so that one with either finds them; those that tell none come last.
    for offer in sorted(offers, key=lambda offer: -len(_hashes(offer))):
        hashes = _hashes(offer)
        alike = _alike(offer)
        # Two that tell different hashes are two releases, however alike they look.
        names = hashes or [name for name in (offer.key, alike) if name]
        release = next((found for name in names if (found := by_identity.get(name))), None)
        if release is None:
            release = Release([])
            releases.append(release)
        release.offers.append(offer)
        for name in (*hashes, offer.key, alike):
            if name:
                by_identity.setdefault(name, release)
    return releases


def keep(offers: Iterable[Offer], media_id: int | None = None) -> list[Torrent]:
    """Write the releases, with fresh seeders, in one statement; gives their rows in the order of the first offer.

    What was found for the title before is known again also while the indexer that told its hash is away.
    Where another search wrote the same new release at the same moment, the next try finds it; TransientError after three.
    """
    releases = merged(offers)
    for _ in range(TRIES if releases else 0):
        try:
            return _written(releases, media_id)
        except IntegrityError:
            continue
    if releases:
        raise TransientError(said(lambda: _("Another search is writing the same releases.")))
    return []


def _written(releases: list[Release], media_id: int | None) -> list[Torrent]:
    with transaction.atomic():
        known = _of_title(releases, media_id) | _known(releases)
        rows = {row.key: row for release in releases for row in [_row(release, known)]}
        # One order of locking for everybody: two searches at once cannot wait for each other's rows.
        kept = Torrent.objects.bulk_create(
            [rows[key] for key in sorted(rows)], update_conflicts=True, unique_fields=["key"], update_fields=REFRESHED
        )
    by_key = {row.key: row for row in kept}
    return [by_key[key] for key in rows]


def _known(releases: list[Release]) -> dict[str, Torrent]:
    """Rows that are there already, by key and by hash; the oldest where several fit."""
    keys = {offer.key for release in releases for offer in release.offers}
    v1s, v2s = ({hash_ for r in releases if (hash_ := getattr(r, name))} for name in ("v1", "v2"))
    found = Torrent.objects.filter(Q(key__in=keys) | Q(info_hash_v1__in=v1s) | Q(info_hash_v2__in=v2s))
    known: dict[str, Torrent] = {}
    for row in found.order_by("id"):
        for name in (row.key, row.info_hash_v1, row.info_hash_v2):
            if name:
                known.setdefault(name, row)
    return known


def _of_title(releases: list[Release], media_id: int | None) -> dict[str, Torrent]:
    """Rows of the title by name and exact size, for the releases of which nobody tells the hash; the oldest where several fit."""
    sizes = {offer.size for release in releases if release.alike for offer in release.offers}
    if media_id is None or not sizes:
        return {}
    rows = Torrent.objects.filter(candidates__media_id=media_id, size__in=sizes).distinct().order_by("-id")
    return {_alike(row): row for row in rows}


def _row(release: Release, known: dict[str, Torrent]) -> Torrent:
    source = release.source
    names_of = [*sorted(release.identities), release.alike]
    old = next((row for name in names_of if (row := known.get(name))), None)
    names = {offer.indexer for offer in release.offers} | set(old.indexers if old else ())
    v1, v2 = (old.info_hash_v1 if old else None) or release.v1, (old.info_hash_v2 if old else None) or release.v2
    return Torrent(
        key=old.key if old else _key(release),
        title=source.title,
        info_hash_v1=v1 if _free(known, v1, old) else None,
        info_hash_v2=v2 if _free(known, v2, old) else None,
        magnet=release.first("magnet") or "",
        download_url=source.download_url,
        indexer=source.indexer,
        indexers=sorted(names),
        page_url=source.page_url,
        size=source.size or release.first("size") or 0,
        seeders=max(offer.seeders for offer in release.offers),
        peers=max(offer.peers for offer in release.offers),
        published_at=source.published_at or release.first("published_at"),
        parsed=to_json(parse(source.title)),
        flags=release.flags,
        seen_at=timezone.now(),
    )


def _free(known: dict[str, Torrent], hash_: str | None, old: Torrent | None) -> bool:
    """Whether no other row has the hash."""
    holder = known.get(hash_ or "")
    return holder is None or (old is not None and holder.pk == old.pk)


def _key(release: Release) -> str:
    """A hash names it where any offer tells one; else the first of its addresses, the same one at every search."""
    return min((offer.key for offer in release.offers), key=lambda key: (key.startswith("url:"), key))
