"""Each request is counted, timed and told in one line of the log; probes, scrapes and static files are not."""

import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from sokoul import logs, metrics, request_id

log = logs.logger("sokoul.access")
UNCOUNTED = ("/static/", "/health", "/metrics", "/api/v1/health", "/api/v1/metrics")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ADMITTED = "sokoul.admitted"
"""Key of the WSGI environ: when the request was whole, by time.perf_counter(); from then on it waited for us."""
LONGEST = 500  # characters of a path

Scope = Any
Receive = Any
Send = Any


def _method(name: str | None) -> str:
    return name if name in METHODS else "OTHER"


def _route(request: HttpRequest) -> str:
    """The template that the path matched, never the path."""
    return request.resolver_match.route if request.resolver_match else "unmatched"


def _tell(method: str, path: str, status: int, seconds: float) -> None:
    tell = log.warning if status >= 500 else log.info
    tell("request", method=method, path=path[:LONGEST], status=status, ms=round(seconds * 1000, 1))


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def handle(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(UNCOUNTED):
            return get_response(request)
        begun = request.META.get(ADMITTED) or time.perf_counter()
        response = get_response(request)
        seconds = time.perf_counter() - begun
        method, route = _method(request.method), _route(request)
        metrics.API_REQUESTS.labels(method, route, str(response.status_code)).inc()
        metrics.API_SECONDS.labels(method, route).observe(seconds)
        query = request.META.get("QUERY_STRING", "")
        _tell(method, f"{request.path}?{query}" if query else request.path, response.status_code, seconds)
        return response

    return handle


def refused(method: str, status: int) -> None:
    """Count what the server answered by itself, before or instead of the application."""
    metrics.API_REQUESTS.labels(_method(method), "refused", str(status)).inc()


def stream(app: Callable[..., Any], route: str) -> Callable[..., Any]:
    """The ASGI application with its answers counted and told. Not timed: a film takes as long as its player does."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        begun, status, own_id = time.perf_counter(), 0, ""

        async def noting(message: dict[str, Any]) -> None:
            nonlocal status, own_id
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {bytes(name).lower(): bytes(value) for name, value in message.get("headers", ())}
                own_id = headers.get(b"x-request-id", b"").decode("latin-1")
            await send(message)

        try:
            await app(scope, receive, noting)
        finally:
            if status:  # else nobody waited for the answer
                method = _method(scope["method"])
                metrics.API_REQUESTS.labels(method, route, str(status)).inc()
                with request_id.bound(own_id):
                    _tell(method, scope["path"], status, time.perf_counter() - begun)

    return handle
