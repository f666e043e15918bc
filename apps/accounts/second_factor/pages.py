"""HTML: switching one's second factor on and off."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import identity
from apps.accounts.models import User
from apps.accounts.second_factor import codes, services
from apps.accounts.sign_ins import services as sign_ins
from sokoul.errors import PermanentError
from sokoul.pages import signed_in

PAGE = "app:second-factor"
TEMPLATE = "accounts/second_factor.html"


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _proof(request: HttpRequest) -> tuple[str, str]:
    return request.POST.get("current_password", ""), request.POST.get("code", "")[: codes.LONGEST]


def _shown(request: HttpRequest, **more: Any) -> HttpResponse:
    user = _user(request)
    return render(
        request, TEMPLATE, {"factor": services.state(user.pk), "has_password": user.has_usable_password(), **more}
    )


@signed_in
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return _shown(request)


@signed_in
@sensitive_post_parameters("current_password")
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """The key is in this answer alone: whoever leaves the page begins again."""
    try:
        begun = services.begin(_user(request), _proof(request)[0])
    except PermanentError as error:
        return _shown(request, fault=_text(error))
    return _shown(request, begun=begun, picture=codes.picture(begun.uri))


@signed_in
@sensitive_post_parameters("code")
@require_POST
def confirm(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    try:
        with identity.sparing(sign_ins.of_session(request.session)):
            fresh = services.confirm(user, _proof(request)[1])
    except PermanentError as error:
        begun = services.begun(user)
        return _shown(request, fault=_text(error), begun=begun, picture=codes.picture(begun.uri) if begun else "")
    user.refresh_from_db()
    sign_ins.goes_on(request, user)  # every other sign-in has ended
    return _shown(request, recovery_codes=fresh)


@signed_in
@sensitive_post_parameters("current_password", "code")
@require_POST
def renew(request: HttpRequest) -> HttpResponse:
    try:
        return _shown(request, recovery_codes=services.renew_codes(_user(request), *_proof(request)))
    except PermanentError as error:
        return _shown(request, fault=_text(error))


@signed_in
@sensitive_post_parameters("current_password", "code")
@require_POST
def disable(request: HttpRequest) -> HttpResponse:
    try:
        services.disable(_user(request), *_proof(request))
    except PermanentError as error:
        return _shown(request, fault=_text(error))
    messages.success(request, _("Your second factor is off: your password alone opens your account now."))
    return redirect(PAGE)


def _text(error: PermanentError) -> str:
    """Without the name of the field, which only programs need."""
    return next(iter(error.fields.values()), [error.message])[0]
