"""Posters through our own cache, so that no page makes a browser ask another host (SPEC 14)."""

import re
import tempfile
import threading
from pathlib import Path

from django.core.cache import cache
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.media.models import Media
from sokoul import http
from sokoul.env import ENV
from sokoul.errors import PermanentError, SokoulError, TransientError, as_response, not_found, problem_response

SIZES = ("w92", "w154", "w185", "w342", "w500", "w780")
NAME = re.compile(r"[A-Za-z0-9_-]{1,100}\.(?:jpe?g|png|webp)")
MAX_BYTES = 5 * 1024 * 1024
SECONDS = 5.0
MISSING_SECONDS = 86_400
AWAY_SECONDS = 30
YEAR = 31_536_000
# Slow pictures must not take every thread of the web process.
_fetching = threading.BoundedSemaphore(4)


def image_type(data: bytes) -> str | None:
    """The content type by the first bytes, whatever the sender claims; None for anything that is no picture."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


@require_safe
def serve(request: HttpRequest, size: str, file: str) -> HttpResponse:
    """The picture, from disk or fetched once. 404 for what no title here has, 503 while the source is away."""
    try:
        data = picture(size, file)
    except SokoulError as error:
        return as_response(error)
    except (OperationalError, InterfaceError):
        return problem_response(503, "The database does not answer. Try again shortly.", code="database", retry_after=5)
    response = HttpResponse(data, content_type=image_type(data) or "application/octet-stream")
    response["Cache-Control"] = f"public, max-age={YEAR}, immutable"  # TMDB never reuses a name
    return response


def picture(size: str, file: str) -> bytes:
    if size not in SIZES or not NAME.fullmatch(file):
        raise not_found("This picture")
    path = ENV.data_dir.absolute() / "posters" / size / file
    try:
        return path.read_bytes()
    except OSError:
        data = _fetch(size, file)
    _store(path, data)
    return data


def _fetch(size: str, file: str) -> bytes:
    remembered = f"poster:{size}:{file}"
    if state := cache.get(remembered):
        raise _gone() if state == "missing" else _away()
    if not Media.objects.filter(poster_path=f"/{file}").exists():
        raise _gone()  # only pictures of our own titles: a stranger cannot fill the disk with all of TMDB's
    if not _fetching.acquire(timeout=1.0):
        raise _away()
    try:
        url = f"{ENV.tmdb_image_url.rstrip('/')}/{size}/{file}"
        data = http.get(url, service="TMDB images", seconds=SECONDS, max_bytes=MAX_BYTES).body
    except PermanentError:
        cache.set(remembered, "missing", MISSING_SECONDS)
        raise _gone() from None
    except TransientError:
        cache.set(remembered, "away", AWAY_SECONDS)
        raise _away() from None
    finally:
        _fetching.release()
    if image_type(data) is None:
        cache.set(remembered, "missing", MISSING_SECONDS)
        raise _gone()
    return data


def _gone() -> PermanentError:
    return not_found("This picture")


def _away() -> TransientError:
    return TransientError("The picture cannot be fetched now. Try again shortly.", retry_after=AWAY_SECONDS)


def _store(path: Path, data: bytes) -> None:
    """Whole or not at all; a full disk costs the cache, not the picture."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            part.write(data)
        Path(part.name).replace(path)
    except OSError:
        return
