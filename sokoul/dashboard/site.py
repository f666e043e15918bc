"""Who gets into the dashboard: admins everywhere, moderators to the audit trail, nobody else."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods, require_safe
from unfold.sites import UnfoldAdminSite

from apps.accounts import pages as accounts
from apps.accounts.models import User
from sokoul.pages import signed_in

View = Callable[..., HttpResponse]
LOGS = "admin:accounts_auditentry_changelist"
FORMS = frozenset(
    {"add_view", "change_view", "changelist_view", "delete_view", "logout"}
)  # of Django's: they take a POST


def is_admin(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_admin


def is_staff(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_staff


class Dashboard(UnfoldAdminSite):  # type: ignore[misc]  # unfold is untyped
    index_title = "Overview"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        return is_staff(request)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """What Django's own site asks for: it takes any method, which ours does not."""
        takes = require_http_methods(["GET", "HEAD", "POST"]) if view.__name__ in FORMS else require_safe
        return self.for_staff(takes(view), cacheable)

    def for_staff(self, view: View, cacheable: bool = False) -> View:
        """A stranger is led to the sign-in page and back; who is signed in and has no business here gets a 403."""
        inner: View = super().admin_view(view, cacheable)

        @signed_in
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not self.has_permission(request):
                raise PermissionDenied
            return inner(request, *args, **kwargs)

        return guarded

    def for_admins(self, view: View) -> View:
        """A page of ours that moderators do not see."""

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not is_admin(request):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return self.for_staff(guarded)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Without Unfold's colours, which it would write into the page as a style element: they are in css/dashboard.css."""
        return {**super().each_context(request), "colors": None}

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from sokoul.dashboard import headers, library, pages, profiles  # they ask for this site

        headers.keep()
        return [*pages.urls(self), *profiles.urls(self), *library.urls(self), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from sokoul.dashboard import pages

        return pages.overview(request) if is_admin(request) else redirect(LOGS)

    # There is one way in and out, and one place where a person changes their account.

    @method_decorator(require_safe)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect_to_login(request.GET.get("next", "/dashboard/"), settings.LOGIN_URL)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return accounts.sign_out(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect("app:profile")
