"""The .torrent of a release, with the indexer's key put back where it belongs."""

from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.downloads.engine.metainfo import MAX_TORRENT_BYTES
from apps.downloads.indexers import books, grabs, pauses, refusals
from apps.downloads.indexers.offer import KEY_MARK, add_key
from apps.downloads.models import Torrent
from sokoul import http
from sokoul.env import ENV, secrets_of
from sokoul.errors import PermanentError, TransientError
from sokoul.said import said


def _keys(url: str, indexer: str) -> tuple[str, ...]:
    """Keys of the configured indexer that the address belongs to; none for any other host.

    The key mark only stands where the indexer itself had put its key, so a feed may have its files on another host.
    """
    if indexer in ENV.torznab_feeds:
        return ENV.torznab_feeds[indexer][1:]
    host = urlsplit(url).netloc
    if ENV.prowlarr_url and urlsplit(ENV.prowlarr_url).netloc == host:
        return secrets_of("PROWLARR_API_KEY")
    return tuple(key for feed, key in ENV.torznab_feeds.values() if urlsplit(feed).netloc == host)


def fetch_torrent(torrent: Torrent) -> bytes | str:
    """The bytes of the .torrent, or the magnet link that its address redirects to.

    Raises TransientError while the indexer is away, SpentError or LeftAloneError (grabs.take) before it is asked, PermanentError
    when it refuses or sends something else. That it is away is noted in its books; nobody is told to wait for more than an hour.
    """
    grabs.take(torrent.indexer)
    began = timezone.now()
    try:
        return _fetched(torrent)
    except TransientError as error:
        books.note_failed_grab(torrent.indexer, began, error)
        if (error.retry_after or 0.0) > pauses.HOUR:
            raise TransientError(error.message) from error
        raise


def _fetched(torrent: Torrent) -> bytes | str:
    url, service = torrent.download_url, torrent.indexer
    keys = _keys(url, torrent.indexer) if KEY_MARK in url else ("",)
    for key in keys:
        response = http.get(
            add_key(url, key), service=service, max_bytes=MAX_TORRENT_BYTES, answers=(401, 403, 404, 410, 429)
        )
        if response.status < 400:
            return _content(response)
        if response.status == 429:
            raise refusals.of_status(service, response)
        if response.status in (404, 410):
            gone = said(lambda: _("%(name)s has this release no longer. Choose another.") % {"name": service})
            raise PermanentError(gone, code="release_gone", status=502)
    text = gettext_lazy("%(name)s refused the download. Check its API key, or that it is still configured.")
    raise PermanentError(said(lambda: text % {"name": service}), code="indexer", status=502)


def _content(response: http.Response) -> bytes | str:
    if response.body.startswith(http.MAGNET.encode()):
        return response.body.decode(errors="replace").strip()
    if response.body.lstrip()[:1] != b"d":  # a bencoded dictionary
        what = {"name": response.service}
        raise TransientError(said(lambda: _("%(name)s sent something that is no .torrent file.") % what))
    return response.body
