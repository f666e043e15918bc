"""HTML: sign in, sign up, sign out, a forgotten password, one's own account, and the ticket that a page opens its socket with."""

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import identity, quotas, services, websocket
from apps.accounts.forms import (
    ChangeForm,
    EmailForm,
    ForgottenForm,
    PasswordForm,
    ResetForm,
    ServiceForm,
    SignInForm,
    SignUpForm,
)
from apps.accounts.models import User
from apps.accounts.second_factor.steps import TwoSteps
from apps.accounts.sign_ins import services as sign_ins
from sokoul.errors import PermanentError, problem_response
from sokoul.pages import signed_in


@method_decorator(require_http_methods(["GET", "HEAD", "POST"]), name="dispatch")
class SignIn(TwoSteps, LoginView):
    template_name = "accounts/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: SignInForm) -> HttpResponse:  # type: ignore[override]
        return _as_refused(super().form_invalid(form), form.refused)

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Never back to this page itself, which Django takes for a fault of the server."""
        wanted = super().get_redirect_url()
        return "" if urlsplit(wanted).path == self.request.path else wanted


def _as_refused(page: HttpResponse, error: PermanentError | None) -> HttpResponse:
    """The page with its form as it stands, answered as the service did."""
    if error is not None:
        page.status_code = error.status
    if error is not None and error.retry_after is not None:
        page["Retry-After"] = str(round(error.retry_after))
    return page


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else settings.LOGIN_REDIRECT_URL


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(_next(request))
    form = SignUpForm(request.POST or None)
    if form.is_valid() and (user := form.save()):
        login(request, user)
        return redirect(_next(request))
    return render(request, "accounts/register.html", {"form": form, "next": _next(request)})


@never_cache
@require_http_methods(["GET", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    form = ForgottenForm(request.POST or None)
    asked = form.is_valid() and form.save()
    page = render(request, "accounts/forgotten.html", {"form": form, "asked": asked})
    return _as_refused(page, form.refused)


@never_cache
@sensitive_post_parameters("token", "password")
@require_http_methods(["GET", "POST"])
def reset(request: HttpRequest) -> HttpResponse:
    """The code comes behind the `#` of the mailed address, which no server, log or proxy sees; reset.js puts it into the form."""
    form = ResetForm(request.POST or None)
    if form.is_valid() and form.save():
        logout(request)
        messages.success(request, _("Your new password is set. Sign in with it."))
        return redirect("app:login")
    return _as_refused(render(request, "accounts/reset.html", {"form": form}), form.refused)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@signed_in
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        services.change_profile(_person(request), {"language": request.POST.get("language", "")})
        return redirect("app:profile")
    return _profile(request)


def _profile(request: HttpRequest, form: ServiceForm | None = None) -> HttpResponse:
    """The page, with a form as it was sent where there is one."""
    person = _person(request)
    context = {
        "languages": settings.LANGUAGES,
        "quotas": quotas.shown([person])[person.pk],
        "password_form": PasswordForm(),
        "email_form": EmailForm(),
    }
    if form is not None:
        context[f"{form.prefix}_form"] = form
    page = render(request, "accounts/profile.html", context)
    return _as_refused(page, form.refused if form else None)


def _change(request: HttpRequest, form: ChangeForm, done: str) -> HttpResponse:
    with identity.sparing(sign_ins.of_session(request.session)):
        if not form.is_valid() or (user := form.save(_person(request))) is None:
            return _profile(request, form)
    sign_ins.goes_on(request, user)  # a new password has ended all other sessions
    messages.success(request, done)
    return redirect("app:profile")


@sensitive_post_parameters()
@signed_in
@require_http_methods(["GET", "POST"])
def change_password(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":  # the address of a form that was refused, opened again
        return redirect("app:profile")
    return _change(request, PasswordForm(request.POST), _("Your password is changed. All other sign-ins have ended."))


@sensitive_post_parameters()
@signed_in
@require_http_methods(["GET", "POST"])
def change_email(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return redirect("app:profile")
    return _change(request, EmailForm(request.POST), _("Your e-mail address is changed."))


@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    if isinstance(request.user, User):
        services.sign_out_everywhere(request.user)
        logout(request)
        messages.success(request, _("You are signed out everywhere."))
    return redirect("app:login")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    if isinstance(request.user, User):
        services.sign_out(request.user)
    logout(request)
    return redirect("app:login")


@never_cache
@require_POST
def ticket(request: HttpRequest) -> HttpResponse:
    """The socket's ticket for a web session, as /auth/ws-ticket gives one for a token."""
    if not isinstance(request.user, User):
        return problem_response(401, "Sign in first.", code="not_authenticated")
    return JsonResponse(websocket.issue_ticket(request.user, sign_ins.of_session(request.session))._asdict())
