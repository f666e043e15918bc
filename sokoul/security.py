"""What a browser is told about every answer (SPEC 14, 16).

Content-Security-Policy: a page may load, run and talk to what this server serves, and nothing else. The other headers that
everybody gets are Django's own (settings.SECURE_*, X_FRAME_OPTIONS) and `ALWAYS`.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from sokoul.errors import PermanentError, problem_response
from sokoul.server.asgi_types import Scope

PROBES = re.compile(r"/(api/v1/)?(health(/\w+)?|metrics)")  # these and scrapers speak plain HTTP, from within
IN_THE_CLEAR = "Call this by https: what you sent came in the clear, a token too."
HEADER = "Content-Security-Policy"
ALWAYS = {
    "Cross-Origin-Resource-Policy": "same-origin",  # no page elsewhere shows our pictures or films to whoever is signed in
    "Permissions-Policy": ", ".join(
        f"{name}=()"
        for name in (
            "accelerometer",
            "camera",
            "display-capture",
            "geolocation",
            "gyroscope",
            "magnetometer",
            "microphone",
            "midi",
            "payment",
            "usb",
        )
    ),
    # Nothing is kept by a browser or a proxy but what says that it may: static files and posters.
    "Cache-Control": "no-store",
}
Policy = dict[str, str]
BASE: Policy = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "media-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# What is not ours: Unfold's Alpine makes functions of the texts in its attributes, and writes style attributes.
EXCEPTIONS: tuple[tuple[str, Policy], ...] = (
    ("/dashboard", {"script-src": "'self' 'unsafe-eval'", "style-src-attr": "'unsafe-inline'"}),
)


def policy_for(path: str, host: str) -> str:
    """The header for an answer at this path; `host` is where the page opens its socket (older browsers: not 'self')."""
    own = {**BASE, "connect-src": f"'self' ws://{host} wss://{host}"}
    for prefix, more in EXCEPTIONS:
        if path == prefix or path.startswith(f"{prefix}/"):
            own |= more
    return "; ".join(f"{name} {value}" for name, value in own.items())


def _host(request: HttpRequest) -> str:
    try:
        return request.get_host()
    except DisallowedHost:  # refused by now
        return "localhost"


def _in_the_clear(request: HttpRequest) -> bool:
    """A program that calls by plain HTTP where people come by https: led on, it would send its token in the clear each time, and
    nobody would notice. What people open in a browser was led there before (settings.SECURE_SSL_REDIRECT)."""
    if not settings.SECURE_SSL_REDIRECT or request.is_secure():
        return False
    return not PROBES.fullmatch(request.path)


def _answer(request: HttpRequest, get_response: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    if _in_the_clear(request):
        return problem_response(403, IN_THE_CLEAR, code="https")
    return get_response(request)


def refuse_in_the_clear(scope: Scope, proto: str) -> None:
    """The same for what does not pass through Django, streams and sockets: PermanentError (403). `proto`: X-Forwarded-Proto."""
    if not settings.SECURE_SSL_REDIRECT or scope.get("scheme") in ("https", "wss"):
        return
    if settings.SECURE_PROXY_SSL_HEADER is None or proto.partition(",")[0].strip() != "https":
        raise PermanentError(IN_THE_CLEAR, code="https", status=403)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def handle(request: HttpRequest) -> HttpResponse:
        response = _answer(request, get_response)
        for name, value in ALWAYS.items():
            response.setdefault(name, value)
        response.setdefault(HEADER, policy_for(request.path, _host(request)))
        return response

    return handle
