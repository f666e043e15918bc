"""HTML: sign in, sign up, sign out, and the ticket that a page opens its socket with."""

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import services, websocket
from apps.accounts.forms import SignInForm, SignUpForm
from apps.accounts.models import User
from apps.accounts.second_factor.steps import TwoSteps
from sokoul.errors import problem_response
from sokoul.pages import signed_in


class SignIn(TwoSteps, LoginView):
    template_name = "accounts/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Never back to this page itself, which Django takes for a fault of the server."""
        wanted = super().get_redirect_url()
        return "" if urlsplit(wanted).path == self.request.path else wanted


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


@signed_in
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    if request.method == "POST":
        services.change_profile(request.user, {"language": request.POST.get("language", "")})
        return redirect("app:profile")
    return render(request, "accounts/profile.html", {"languages": settings.LANGUAGES})


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
    return JsonResponse(websocket.issue_ticket(request.user, None)._asdict())
