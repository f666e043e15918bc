"""The dashboard's lists of releases, decisions and downloads."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy
from unfold.admin import TabularInline

from apps.accounts.admin import Listed, moment, path_link
from apps.accounts.models import User
from apps.downloads import services
from apps.downloads.models import Candidate, Download, Torrent
from apps.downloads.releases.verdict import told
from sokoul.errors import PermanentError
from sokoul.templatetags.shown import rate, size


def _reasons(candidate: Candidate) -> SafeString:
    """Why it was refused, else why it has its score."""
    found = [told(entry) for entry in candidate.rejections or candidate.reasons]
    return format_html('<div class="dash-why">{}</div>', " ".join(str(entry["sentence"]) for entry in found))


class Decided(TabularInline):  # type: ignore[misc]  # unfold is untyped
    """What was decided about a release, on its page."""

    model = Candidate
    fields = readonly_fields = ("media", "season", "episode", "profile", "score", "why", "decided_at")
    extra = 0
    can_delete = False
    verbose_name_plural = gettext_lazy("What was decided about it")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Candidate]:
        rows: QuerySet[Candidate] = super().get_queryset(request).select_related("media", "profile")
        return rows

    @admin.display(description=gettext_lazy("why"))
    def why(self, candidate: Candidate) -> SafeString:
        return _reasons(candidate)


@admin.register(Torrent)
class TorrentAdmin(Listed):
    heading = gettext_lazy("Releases")
    one = gettext_lazy("Release")
    list_display = ("title", "indexer", "bytes", "seeders", "titles", "refused", "seen_at")
    search_fields = ("title", "=info_hash_v1", "=info_hash_v2")
    ordering = ("-seen_at", "-pk")
    inlines = (Decided,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Torrent]:
        rows: QuerySet[Torrent] = super().get_queryset(request)
        refused = Count("candidates", filter=Q(candidates__score=None))
        return rows.annotate(titles_count=Count("candidates"), refused_count=refused)

    @admin.display(description=gettext_lazy("size"), ordering="size")
    def bytes(self, torrent: Torrent) -> str:
        return size(torrent.size)

    @admin.display(description=gettext_lazy("considered for"))
    def titles(self, torrent: Any) -> int:
        return int(torrent.titles_count)

    @admin.display(description=gettext_lazy("refused for"))
    def refused(self, torrent: Any) -> int:
        return int(torrent.refused_count)


class Taken(admin.SimpleListFilter):
    title = gettext_lazy("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("accepted", gettext_lazy("accepted")), ("refused", gettext_lazy("refused"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        return queryset.filter(score__isnull=chosen == "refused") if chosen in {"accepted", "refused"} else queryset


@admin.register(Candidate)
class CandidateAdmin(Listed):
    heading = gettext_lazy("Decisions about releases")
    one = gettext_lazy("Decision")
    list_display = ("torrent", "wanted", "profile", "score", "why", "when")
    list_filter = (Taken,)
    list_select_related = ("torrent", "media", "profile")
    search_fields = ("torrent__title", "media__title")
    ordering = ("-decided_at", "-pk")

    @admin.display(description=gettext_lazy("for"))
    def wanted(self, candidate: Candidate) -> str:
        season, episode = candidate.season, candidate.episode
        part = "" if season is None else f" S{season:02d}" + ("" if episode is None else f"E{episode:02d}")
        return f"{candidate.media}{part}"

    @admin.display(description=gettext_lazy("why"))
    def why(self, candidate: Candidate) -> SafeString:
        return _reasons(candidate)

    @admin.display(description=gettext_lazy("decided"), ordering="decided_at")
    def when(self, candidate: Candidate) -> str:
        return moment(candidate.decided_at)


Verb = Callable[..., Any]


@admin.register(Download)
class DownloadAdmin(Listed):
    heading = gettext_lazy("Downloads")
    one = gettext_lazy("Download")
    list_display = ("media", "user", "phase", "percent", "speed", "peers", "reason", "when", "way")
    list_filter = ("status", "phase")
    list_select_related = ("media", "user")
    search_fields = ("name", "media__title", "=user__username", "=request_id", "=swarm")
    ordering = ("-created_at", "-pk")
    actions = ("pause", "resume", "retry", "cancel")

    @admin.display(description=gettext_lazy("progress"), ordering="progress")
    def percent(self, download: Download) -> str:
        return f"{download.progress:.0f} %"

    @admin.display(description=gettext_lazy("asked for"), ordering="created_at")
    def when(self, download: Download) -> str:
        return moment(download.created_at)

    @admin.display(description=gettext_lazy("rate"), ordering="rate")
    def speed(self, download: Download) -> str:
        return rate(download.rate) if download.rate else "–"

    @admin.display(description=gettext_lazy("request"))
    def way(self, download: Download) -> SafeString | str:
        return path_link(download.request_id)

    @admin.action(description=gettext_lazy("Pause"))
    def pause(self, request: HttpRequest, chosen: QuerySet[Download]) -> None:
        self._on_behalf(request, chosen, services.pause)

    @admin.action(description=gettext_lazy("Resume"))
    def resume(self, request: HttpRequest, chosen: QuerySet[Download]) -> None:
        self._on_behalf(request, chosen, services.resume)

    @admin.action(description=gettext_lazy("Retry"))
    def retry(self, request: HttpRequest, chosen: QuerySet[Download]) -> None:
        self._on_behalf(request, chosen, services.retry)

    @admin.action(description=gettext_lazy("Cancel (what has failed leaves the list)"))
    def cancel(self, request: HttpRequest, chosen: QuerySet[Download]) -> None:
        self._on_behalf(request, chosen, services.cancel)

    def _on_behalf(self, request: HttpRequest, chosen: QuerySet[Download], verb: Verb) -> None:
        """Do to each what its owner could, and say which would not have it."""
        assert isinstance(request.user, User)
        count = 0
        for download_id, owner_id in chosen.values_list("pk", "user_id"):
            try:
                verb(owner_id, download_id, by=request.user)
                count += 1
            except PermanentError as error:
                text = gettext("Download %(id)d: %(why)s") % {"id": download_id, "why": error.message}
                self.message_user(request, text, messages.ERROR)
        if count:
            self.message_user(request, gettext("Done for %(count)d downloads.") % {"count": count})
