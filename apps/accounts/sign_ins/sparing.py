"""The page in which somebody ends sign-ins ends with its answer."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.accounts import identity
from apps.accounts.sign_ins import services


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Its own socket is not closed meanwhile: it would ask for another with the key of before, be refused, and lead out of the page
    before the answer, which may bring a new key or say what was done, has come."""

    def handle(request: HttpRequest) -> HttpResponse:
        with identity.sparing(lambda: services.of_session(request.session)):
            return get_response(request)

    return handle
