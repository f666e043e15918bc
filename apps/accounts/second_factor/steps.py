"""HTML: the second step of signing in. Between both, the session says whose password was right, and nobody is signed in."""

import time
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.accounts import audit
from apps.accounts.models import User
from apps.accounts.second_factor import codes, gate
from apps.accounts.second_factor.gate import SecondFactorRequired
from sokoul.errors import PermanentError

KEY = "second_step"
PATIENCE = 300  # seconds between both steps
BACKEND = "apps.accounts.authentication.EmailOrUsernameBackend"


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code of your authenticator app, or a recovery code"),
        max_length=codes.LONGEST,
        widget=forms.TextInput(
            attrs={
                "autofocus": True,
                "autocomplete": "one-time-code",
                "autocapitalize": "characters",
                "spellcheck": "false",
            }
        ),
    )


class TwoSteps:
    """For the sign-in page: whoever has a second factor is led to the page that asks for its code."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            answer: HttpResponse = super().post(request, *args, **kwargs)  # type: ignore[misc]  # a mixin
        except SecondFactorRequired as step:
            _remember(request, step.user)
            wanted = _next(request)
            return redirect(reverse("app:login-code") + (f"?{urlencode({'next': wanted})}" if wanted else ""))
        return answer


def _remember(request: HttpRequest, user: User) -> None:
    request.session.cycle_key()  # a session that somebody else planted learns nothing of it
    request.session[KEY] = {"user": user.pk, "hash": user.get_session_auth_hash(), "until": time.time() + PATIENCE}


def _remembered(request: HttpRequest) -> User | None:
    """Whose password was right a moment ago, and is the same still."""
    kept = request.session.get(KEY)
    if not kept or kept["until"] < time.time():
        return None
    user = User.objects.filter(pk=kept["user"], is_active=True).first()
    return user if user and constant_time_compare(kept["hash"], user.get_session_auth_hash()) else None


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else ""


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    user = _remembered(request)
    if user is None or request.user.is_authenticated:
        return redirect(_next(request) or settings.LOGIN_REDIRECT_URL)
    form, status = CodeForm(request.POST or None), 200
    if form.is_valid():
        try:
            _admit(request, user, gate.check(user, form.cleaned_data["code"]))
            return redirect(_next(request) or settings.LOGIN_REDIRECT_URL)
        except PermanentError as error:
            form.add_error("code", error.message)
            status = error.status if error.retry_after else 200
    return render(request, "accounts/login_code.html", {"form": form, "next": _next(request)}, status=status)


def _admit(request: HttpRequest, user: User, how: gate.How) -> None:
    login(request, user, backend=BACKEND)
    request.session.pop(KEY, None)
    audit.record("auth.login", user.username, user, how=how)
