"""HTML: signing in with the provider, and linking it on the profile page."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import audit
from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.accounts.oidc import flow, provider, services
from sokoul.errors import PermanentError, SokoulError
from sokoul.pages import signed_in

BACKEND = "apps.accounts.authentication.EmailOrUsernameBackend"
PAGE = "app:oidc"


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is a page of ours."""
    wanted = request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else settings.LOGIN_REDIRECT_URL


@never_cache
@require_safe
def sign_in(request: HttpRequest) -> HttpResponse:
    """To the provider. A link and no form: the policy lets forms lead nowhere but to us, also by a redirect."""
    if request.user.is_authenticated:
        return redirect(_next(request))
    try:
        return redirect(flow.begin(request.session, wanted=_next(request)))
    except SokoulError as error:
        messages.error(request, error.message)
        return redirect("app:login")


@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """Back from the provider."""
    try:
        return _answered(request, flow.taken(request.session, request.GET))
    except SokoulError as error:
        messages.error(request, error.message)
        return redirect(PAGE if request.user.is_authenticated else "app:login")


def _answered(request: HttpRequest, begun: flow.Begun) -> HttpResponse:
    """What nobody here has begun is not written down: strangers would fill the audit trail."""
    try:
        return _linked(request, begun) if begun.link_to else _signed_in(request, begun)
    except PermanentError as error:
        user = request.user if isinstance(request.user, User) else None
        audit.record("oidc.refused", "", user, why=error.message)
        raise


def _signed_in(request: HttpRequest, begun: flow.Begun) -> HttpResponse:
    user = services.sign_in(flow.finish(begun, request.GET))
    login(request, user, backend=BACKEND)
    return redirect(begun.wanted)


def _linked(request: HttpRequest, begun: flow.Begun) -> HttpResponse:
    if not isinstance(request.user, User) or request.user.pk != begun.link_to:
        raise PermanentError(_("Somebody else is signed in now. Begin again."), code="oidc", status=400)
    services.link(request.user, flow.finish(begun, request.GET))
    messages.success(request, _("Linked: %(provider)s opens your account now.") % {"provider": provider.name()})
    return redirect(PAGE)


@signed_in
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return _shown(request)


def _shown(request: HttpRequest, **more: str) -> HttpResponse:
    assert isinstance(request.user, User)
    user = request.user
    context = {
        "provider": provider.name(),
        "identity": services.identity_of(user.pk),
        "has_password": user.has_usable_password(),
    }
    return render(request, "accounts/oidc.html", {**context, **more})


@signed_in
@sensitive_post_parameters("current_password")
@require_POST
def link(request: HttpRequest) -> HttpResponse:
    """Takes the password: whoever is linked gets in without it later. The answer leads on by itself (see `sign_in`)."""
    assert isinstance(request.user, User)
    try:
        accounts.prove(request.user, request.POST.get("current_password", ""))
        return _shown(request, away=flow.begin(request.session, link_to=request.user.pk))
    except SokoulError as error:
        fields = error.fields if isinstance(error, PermanentError) else {}
        return _shown(request, fault=next(iter(fields.values()), [error.message])[0])


@signed_in
@sensitive_post_parameters("current_password")
@require_POST
def unlink(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    services.unlink(request.user)
    messages.success(request, _("Unlinked."))
    return redirect(PAGE)
