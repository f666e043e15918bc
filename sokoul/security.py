"""Content-Security-Policy: a page may load, run and talk to what this server serves, and nothing else (SPEC 14, 16)."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
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


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def handle(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # A request whose Host is refused has been answered with 400 by now.
        host = request.get_host() if response.status_code != 400 else "localhost"
        response.setdefault(HEADER, policy_for(request.path, host))
        return response

    return handle
