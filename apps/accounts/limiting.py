"""How often somebody may ask (SPEC 16): who it is, what the request counts as, and the answer where it is too often.

It is done before anything else is done for a request, in one question to Redis. docs/limits.md has the whole table.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext as _

from apps.accounts import authentication
from sokoul import client_ip, logs, pages
from sokoul.errors import PermanentError, as_response
from sokoul.throttling import IP, LIMITER, Claim, Policy, Verdict, headers, place, too_often

log = logs.logger(__name__)
USER = Policy("user", 100)
ANONYMOUS = Policy("anonymous", 10)
SEARCH = Policy("search", 30)
REPLACE = Policy("replace", 10)

_UNLIMITED = re.compile(r"(/api/v1)?/(health(/\w+)?|metrics)")
_SEEN = re.compile(r"/|/(docs|schema|app|dashboard)|/(app|dashboard|static)/.*|(/api/v1)?/posters/.*", re.DOTALL)
# What costs others something (indexers, swarms): less of it than of anything else, by whichever way it is asked for.
_COSTLY = (
    (SEARCH, re.compile(r"(/api/v1)?/search")),
    (REPLACE, re.compile(r"((/api/v1)?|/app)/downloads/\d+/(replace|better)")),
)
_by_address_alone: set[str] = set()


def count_by_address(path: str) -> None:
    """What is sent to this path, beginning with /, is sent by somebody who has no account: another program."""
    _by_address_alone.add(path)


def count_stranger(address: str | None) -> None:
    """Somebody has shown nothing that is valid, where the middleware sees nobody (streams). PermanentError (429) after too often.

    Blocks.
    """
    if not client_ip.is_trusted(address):
        verdict = LIMITER.ask([Claim(ANONYMOUS, place(address)), Claim(IP, place(address))])
        if not verdict.admitted:
            raise too_often(verdict)


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def handle(request: HttpRequest) -> HttpResponse:
        if _UNLIMITED.fullmatch(request.path_info) or client_ip.is_trusted(client_ip.current()):
            return get_response(request)
        api = _is_api(request)
        claims = [Claim(IP, place(client_ip.current()))]
        verdict = LIMITER.refusal(claims)
        if verdict is None:  # only then is it worth finding out who asks
            claims = [*_as_caller(request), *claims] if api else claims
            verdict = LIMITER.ask(claims)
        response = get_response(request) if verdict.admitted else _refused(request, verdict)
        if api:
            for name, value in headers(claims, verdict).items():
                response[name] = value
        return response

    return handle


def _is_api(request: HttpRequest) -> bool:
    """Everything but what people look at and what programs without an account send; a form that is posted is a call."""
    looks = request.method in {"GET", "HEAD"} and _SEEN.fullmatch(request.path_info)
    return not looks and request.path_info not in _by_address_alone


def _as_caller(request: HttpRequest) -> list[Claim]:
    """What the caller's own class counts; nothing while the database cannot say who it is."""
    try:
        user_id = caller(request)
    except (OperationalError, InterfaceError) as error:
        log.warning("nobody is known, the address alone is counted", error=type(error).__name__)
        return []
    address = place(client_ip.current())
    own = Claim(ANONYMOUS, address) if user_id is None else Claim(USER, str(user_id))
    who = address if user_id is None else f"user:{user_id}"
    return [own, *(Claim(policy, who) for policy, path in _COSTLY if path.fullmatch(request.path_info))]


def caller(request: HttpRequest) -> int | None:
    """The id of who asks. None for a stranger, and for whoever shows what is not valid, or no longer."""
    posts_a_form = request.path_info.startswith(("/app/", "/dashboard/"))  # REST takes no sessions
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME) if posts_a_form else None
    try:
        return authentication.person_of(
            request.headers.get("Authorization", ""), request.headers.get("X-API-Key"), session_key
        ).pk
    except PermanentError:
        return None


def _refused(request: HttpRequest, verdict: Verdict) -> HttpResponse:
    """A page or a notice in plain words for people, in the language that their browser asks for; else a problem document."""
    if not pages.for_people(request):
        return as_response(too_often(verdict))
    with translation.override(translation.get_language_from_request(request)):
        text = _("Too much was asked from here within a minute. Try again in %(seconds)d s.")
        response = pages.failure(request, 429, text % {"seconds": verdict.retry_after})
    response["Retry-After"] = str(verdict.retry_after)
    return response
