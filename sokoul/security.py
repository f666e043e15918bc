"""What a browser is told about every answer (SPEC 14, 16).

Content-Security-Policy: a page may load, run and talk to what this server serves, and nothing else. The other headers that
everybody gets are Django's own (settings.SECURE_*, X_FRAME_OPTIONS) and `ALWAYS`.
"""

from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

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


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def handle(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        for name, value in ALWAYS.items():
            response.setdefault(name, value)
        response.setdefault(HEADER, policy_for(request.path, _host(request)))
        return response

    return handle
