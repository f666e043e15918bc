"""The one door for outbound HTTP (SPEC 10): deadlines, size cap, redirects, no private addresses, retry, circuit breaker.

Everything that can go wrong leaves as TransientError or PermanentError whose text names the service and never an address,
a header or a query, because keys travel in those.
"""

import base64
import functools
import threading
import time
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore
import httpx
import orjson
from django.utils.translation import gettext_lazy

from sokoul import logs, metrics, pinned
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError
from sokoul.said import Said, said

log = logs.logger(__name__)

TOTAL_SECONDS = 30.0
MAX_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 3
BREAKER_FAILURES = 5
BREAKER_SECONDS = 5.0
LONGEST_PAUSE = 600.0
LONGEST_WAIT = 86_400.0  # whoever wants to be left alone for years means that something is wrong
REDIRECTS = (301, 302, 303, 307, 308)
TRANSIENT_STATUSES = (408, 425, 429)
SECRET_HEADERS = ("authorization", "x-api-key", "cookie")
MAGNET = "magnet:?"


@dataclass(frozen=True)
class Response:
    """An answer whose body was read whole. A redirect to a magnet link is an answer too: the link is the body."""

    service: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; TransientError when it is none (a maintenance page, a captive portal)."""
        try:
            return orjson.loads(self.body.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError:
            kind = self.headers.get("content-type", "no content type")[:60]
            log.error("answer is not JSON", provider=self.service, status=self.status, content_type=kind)
            text = gettext_lazy("%(name)s answered with something that is not JSON (%(kind)s).")
            raise TransientError(_said(text, self.service, kind=kind)) from None


def trusted_hosts() -> set[str]:
    """Hosts that the operator configured: trusted on any port and whatever their address (SPEC 4)."""
    configured = [ENV.tmdb_url, ENV.tmdb_image_url, ENV.telegram_api_url, ENV.prowlarr_url or "", ENV.oidc_issuer or ""]
    configured += [url for url, _ in ENV.torznab_feeds.values()]
    return {pinned.plain(host) for url in configured if (host := urlsplit(url).hostname)}


def retry_after(value: str | None) -> float | None:
    """Seconds to wait, LONGEST_WAIT at most, from a Retry-After header in either of its forms (RFC 9110, 10.2.3); None for anything
    else."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT)
    try:
        return min(max(0.0, parsedate_to_datetime(text).timestamp() - time.time()), LONGEST_WAIT)
    except (ValueError, TypeError, OverflowError):
        return None


@dataclass
class _Breaker:
    """After five failures in a row a service is left alone for five seconds, or for as long as it asked (429)."""

    failures: int = 0
    paused_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, service: str) -> None:
        left = self.paused_until - time.monotonic()
        if left > 0:
            text = gettext_lazy("%(name)s does not answer; the next try is in %(seconds)d s.")
            raise TransientError(_said(text, service, seconds=round(left)), retry_after=left)

    def succeeded(self) -> None:
        with self.lock:
            self.failures = 0

    def failed(self, error: TransientError) -> None:
        with self.lock:
            self.failures += 1
            pause = BREAKER_SECONDS if self.failures >= BREAKER_FAILURES else 0.0
            self.paused_until = time.monotonic() + min(max(pause, error.retry_after or 0.0), LONGEST_PAUSE)


@functools.lru_cache(maxsize=1024)
def _breaker(service: str, origin: tuple[str, str, int | None]) -> _Breaker:
    return _Breaker()


def forget() -> None:
    """Close every idle connection and forget what was learned about services."""
    pinned.close_idle()
    _breaker.cache_clear()


def request(
    method: str,
    url: str,
    *,
    service: str,
    params: Mapping[str, str | int | list[int]] | None = None,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    content: bytes | None = None,
    seconds: float = TOTAL_SECONDS,
    max_bytes: int = MAX_BYTES,
    answers: Collection[int] = (),
    trusted: Collection[str] = (),
    foreign: bool = False,
) -> Response:
    """One call, whole within `seconds`. `service` is its name in texts for people.

    2xx and the statuses in `answers` are returned. TransientError: no connection, too late, cut off, 408, 425, 429, 5xx (with
    the Retry-After that came along), or a service that is being left alone. PermanentError: any other status, a private
    address, more than three redirects, more than `max_bytes`. A GET whose connection broke is tried once more at once.
    `trusted` are further hosts that may have a private address, because an operator named them on a command line. A `foreign`
    address was given by somebody who is no operator: only `trusted` hosts may be private, it shares no breaker with providers
    and does not count as one.
    """
    started = time.monotonic()
    may_be_private = [*trusted, *(() if foreign else trusted_hosts())]
    try:
        with pinned.calling(seconds, may_be_private):
            call = _build(method, url, params, headers, json, content, service)
            breaker = _Breaker() if foreign else _breaker(service, _origin(call.url))
            breaker.check(service)
            try:
                response = _checked(_sent(call, service, max_bytes, seconds), answers)
            except TransientError as error:
                breaker.failed(error)
                raise
            breaker.succeeded()
    except (TransientError, PermanentError) as error:
        took = round(time.monotonic() - started, 3)
        host = urlsplit(url).hostname if "://" in url else ""
        if not foreign:
            _count(service, "failed" if isinstance(error, TransientError) else "refused", started)
        log.warning("outbound call failed", provider=service, host=host, error=error.message, seconds=took)
        raise
    if not foreign:
        _count(service, "ok", started)
    return response


def _count(service: str, outcome: str, started: float) -> None:
    metrics.OUTBOUND_CALLS.labels(service, outcome).inc()
    metrics.OUTBOUND_SECONDS.labels(service).observe(time.monotonic() - started)


def get(url: str, **options: Any) -> Response:
    return request("GET", url, **options)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _said(text: Any, service: str, **gaps: object) -> Said:
    return said(lambda: str(text % {"name": service, **gaps}))


def _permanent(message: str, code: str = "provider") -> PermanentError:
    return PermanentError(message, code=code, status=502)


def _private(service: str) -> PermanentError:
    text = gettext_lazy("%(name)s leads to a private address, which only configured hosts may.")
    return _permanent(_said(text, service), "private_address")


def check(url: str, *, service: str, trusted: Collection[str] = (), seconds: float = pinned.CONNECT_SECONDS) -> None:
    """Whether a `foreign` address could be called: raises as `request` does where it is malformed, unknown or private."""
    target = _build("GET", url, None, None, None, None, service).url
    try:
        with pinned.calling(seconds, trusted):
            pinned.checked(target.host, target.port or 443)
    except pinned.PrivateAddressError:
        raise _private(service) from None
    except (httpcore.TimeoutException, httpcore.NetworkError):
        raise TransientError(_said(gettext_lazy("%(name)s could not be found under this name."), service)) from None


def _build(
    method: str,
    url: str,
    params: Mapping[str, str | int | list[int]] | None,
    headers: Mapping[str, str] | None,
    json: object,
    content: bytes | None,
    service: str,
) -> httpx.Request:
    try:
        target = httpx.URL(url)
        if params:
            target = target.copy_merge_params(dict(params))
        if target.scheme not in ("http", "https") or not target.host:
            raise httpx.UnsupportedProtocol("")
        if target.port is not None and not 0 < target.port < 2**16:
            raise httpx.InvalidURL("")
        call = httpx.Request(method, target, headers=dict(headers or {}), json=json, content=content)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError, TypeError):
        raise _permanent(f"The address of {service} is not a usable http or https address.", "address") from None
    call.headers.setdefault("User-Agent", "Sokoul/1")
    call.headers.setdefault("Accept", "*/*")
    call.headers["Accept-Encoding"] = "gzip"
    call.headers["Host"] = target.netloc.decode()
    if target.userinfo:
        plain = unquote(target.userinfo.decode()).encode()
        call.headers.setdefault("Authorization", "Basic " + base64.b64encode(plain).decode())
    return call


def _sent(call: httpx.Request, service: str, max_bytes: int, seconds: float) -> Response:
    """The answer behind at most three redirects, with transport errors translated."""
    tries = 2 if call.method == "GET" else 1
    while True:
        tries -= 1
        try:
            return _followed(call, service, max_bytes)
        except (httpx.TimeoutException, httpcore.TimeoutException):
            text = gettext_lazy("%(name)s did not answer within %(seconds)s s.")
            raise TransientError(_said(text, service, seconds=f"{seconds:g}")) from None
        except pinned.PrivateAddressError:
            raise _private(service) from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL):
            text = gettext_lazy("%(name)s cannot be called: its address or key is malformed.")
            raise _permanent(_said(text, service), "address") from None
        except (httpx.TransportError, httpcore.NetworkError, httpcore.ProtocolError):
            if not tries:
                text = gettext_lazy("%(name)s could not be reached, or broke off its answer.")
                raise TransientError(_said(text, service)) from None


def _followed(call: httpx.Request, service: str, max_bytes: int) -> Response:
    for _ in range(MAX_REDIRECTS + 1):
        call.extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), pinned.left())}
        answer = pinned.transport().handle_request(call)
        try:
            location = answer.headers.get("location", "") if answer.status_code in REDIRECTS else ""
            if location.startswith(MAGNET):
                return Response(service, 200, answer.headers, location.encode())
            if not location:
                return Response(service, answer.status_code, answer.headers, _body(answer, service, max_bytes))
        finally:
            answer.close()
        call = _redirected(call, location, answer.status_code)
    raise _permanent(f"{service} redirected more than {MAX_REDIRECTS} times.", "redirects")


def _redirected(call: httpx.Request, location: str, status: int) -> httpx.Request:
    """The next hop. Keys stay with the origin that they were meant for; a body only survives 307 and 308."""
    target = call.url.join(location)
    if target.scheme not in ("http", "https"):
        raise httpx.UnsupportedProtocol("")
    keep = status in (307, 308)
    dropped = {"host"} if keep else {"host", "content-length", "content-type"}
    if _origin(target) != _origin(call.url):
        dropped |= set(SECRET_HEADERS)
    headers = {name: value for name, value in call.headers.items() if name not in dropped}
    return httpx.Request(call.method if keep else "GET", target, headers=headers, content=call.read() if keep else None)


def _body(answer: httpx.Response, service: str, max_bytes: int) -> bytes:
    """The decoded body, never more than `max_bytes` of it in memory, however small it was packed."""
    packed = answer.headers.get("content-encoding", "identity").lower() not in ("identity", "")
    unpacker = zlib.decompressobj(wbits=47) if packed else None  # 32 + 15: gzip or zlib, found by its header
    body = bytearray()
    stream = answer.stream
    assert isinstance(stream, httpx.SyncByteStream)
    for chunk in stream:
        try:
            body += unpacker.decompress(chunk, max_bytes + 1 - len(body)) if unpacker else chunk
        except zlib.error:
            text = gettext_lazy("%(name)s sent an answer that cannot be unpacked.")
            raise TransientError(_said(text, service)) from None
        if len(body) > max_bytes:
            text = gettext_lazy("%(name)s sent more than %(count)d bytes.")
            raise _permanent(_said(text, service, count=max_bytes), "too_large")
    return bytes(body)


def _checked(response: Response, answers: Collection[int]) -> Response:
    if 200 <= response.status < 300 or response.status in answers:
        return response
    message = _said(gettext_lazy("%(name)s answered %(status)d."), response.service, status=response.status)
    if response.status >= 500 or response.status in TRANSIENT_STATUSES:
        raise TransientError(message, retry_after(response.headers.get("retry-after")))
    raise _permanent(message)
