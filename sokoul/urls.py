"""Every address of the product. REST stands at the plan's paths and again under /api/v1/; pages under /app/."""

from collections.abc import Callable

from django.contrib import admin
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from apps.accounts import urls as accounts
from apps.bot import urls as bot
from apps.downloads import urls as downloads
from apps.feed import urls as feed
from apps.jobs import urls as jobs
from apps.media import urls as media
from sokoul import exposition, health
from sokoul.dashboard import views as dashboard


def _to(address: str) -> Callable[..., HttpResponseBase]:
    """Whoever looks is led on; nothing else can be done here."""
    return require_safe(RedirectView.as_view(url=address))


api: list[URLPattern | URLResolver] = [
    *accounts.api,
    *media.api,
    *downloads.api,
    *jobs.api,
    *feed.api,
    *health.urls,
    *exposition.urls,
    *dashboard.api,
]
pages: list[URLPattern | URLResolver] = [*accounts.pages, *media.pages, *downloads.pages, *feed.pages]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", _to("/app/")),
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("docs", require_safe(SpectacularSwaggerSplitView.as_view(url_name="schema")), name="docs"),
    *api,
    *bot.hooks,
    path("api/v1/", include((api, "v1"))),
    path("app/", include((pages, "app"))),
    path("dashboard", _to("/dashboard/")),
    path("dashboard/", admin.site.urls),
]

handler400 = "sokoul.pages.bad_request"
handler403 = "sokoul.pages.forbidden"
handler404 = "sokoul.pages.not_found"
handler500 = "sokoul.pages.server_error"
