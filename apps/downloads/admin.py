"""The dashboard's lists of releases, decisions, downloads and indexers."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import F, Func, IntegerField, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from unfold.admin import TabularInline

from apps.accounts.admin import Listed, moment, path_link
from apps.accounts.models import User
from apps.downloads import blocklist, faults, replacement, services
from apps.downloads.indexers import managing
from apps.downloads.models import LIMITS, STATUS_OF, Blocked, Candidate, Download, Indexer, Torrent
from apps.downloads.releases.verdict import told
from sokoul.errors import PermanentError
from sokoul.said import Said, here
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


def _decisions(**which: Any) -> Subquery:
    """How many there are about a release; counted for the rows of a page, and not for all by a join."""
    about = Candidate.objects.filter(torrent=OuterRef("pk"), **which).order_by()
    return Subquery(about.annotate(count=Func(F("pk"), function="count")).values("count"), IntegerField())


@admin.register(Torrent)
class TorrentAdmin(Listed):
    heading = gettext_lazy("Releases")
    one = gettext_lazy("Release")
    list_display = ("title", "indexer", "bytes", "seeders", "titles", "refused", "seen_at")
    search_fields = ("title", "=info_hash_v1", "=info_hash_v2")
    ordering = ("-pk",)
    inlines = (Decided,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Torrent]:
        rows: QuerySet[Torrent] = super().get_queryset(request)
        return rows.annotate(titles_count=_decisions(), refused_count=_decisions(score=None))

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
    ordering = ("-pk",)

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


class State(admin.SimpleListFilter):
    """Those that there can be: to ask the rows for those that there are takes longer than to show the list."""

    title = pgettext_lazy("column", "status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status, status) for status in sorted(set(STATUS_OF.values()))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() in STATUS_OF.values() else queryset


Verb = Callable[..., Any]


@admin.register(Download)
class DownloadAdmin(Listed):
    heading = gettext_lazy("Downloads")
    one = gettext_lazy("Download")
    list_display = ("media", "user", "phase", "percent", "speed", "peers", "told", "when", "way")
    list_filter = (State, "phase")
    list_select_related = ("media", "user")
    search_fields = ("name", "media__title", "=user__username", "=request_id", "=swarm")
    ordering = ("-pk",)
    actions = ("pause", "resume", "retry", "replace", "cancel")

    @admin.display(description=gettext_lazy("progress"), ordering="progress")
    def percent(self, download: Download) -> str:
        return f"{download.progress:.0f} %"

    @admin.display(description=gettext_lazy("reason"))
    def told(self, download: Download) -> str:
        return here(Said(download.reason, download.reason_texts))

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

    @admin.action(description=gettext_lazy("Block the release and take the next best"))
    def replace(self, request: HttpRequest, chosen: QuerySet[Download]) -> None:
        self._on_behalf(request, chosen, replacement.replace)

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


@admin.register(Blocked)
class BlockedAdmin(Listed):
    heading = gettext_lazy("Blocklist")
    one = gettext_lazy("Entry of the blocklist")
    list_display = ("release", "media", "whose", "why", "told", "source", "when")
    list_filter = ("source", "code")
    list_select_related = ("media", "user")
    search_fields = ("title", "media__title", "=user__username", "=info_hash_v1", "=info_hash_v2")
    ordering = ("-pk",)
    actions = ("widen", "lift")

    @admin.display(description=gettext_lazy("reason"))
    def told(self, entry: Blocked) -> str:
        return here(Said(entry.reason, entry.reason_texts))

    @admin.display(description=gettext_lazy("release"), ordering="title")
    def release(self, entry: Blocked) -> str:
        return str(entry)

    @admin.display(description=gettext_lazy("for"), ordering="user")
    def whose(self, entry: Blocked) -> str:
        return entry.user.username if entry.user else gettext("everybody")

    @admin.display(description=gettext_lazy("why"), ordering="code")
    def why(self, entry: Blocked) -> str:
        return faults.phrase(entry.code)

    @admin.display(description=gettext_lazy("since"), ordering="created_at")
    def when(self, entry: Blocked) -> str:
        return moment(entry.created_at)

    @admin.action(description=gettext_lazy("Block for everybody"))
    def widen(self, request: HttpRequest, chosen: QuerySet[Blocked]) -> None:
        self._each(request, chosen, blocklist.widen)

    @admin.action(description=gettext_lazy("Take off the blocklist"))
    def lift(self, request: HttpRequest, chosen: QuerySet[Blocked]) -> None:
        self._each(request, chosen, blocklist.lift)

    def _each(self, request: HttpRequest, chosen: QuerySet[Blocked], verb: Callable[[int, User], None]) -> None:
        """Those that are gone meanwhile are left out."""
        assert isinstance(request.user, User)
        count = 0
        for blocked_id in chosen.values_list("pk", flat=True):
            try:
                verb(blocked_id, request.user)
                count += 1
            except PermanentError as error:
                self.message_user(request, error.message, messages.ERROR)
        if count:
            self.message_user(request, gettext("Done for %(count)d entries.") % {"count": count})


class IndexerForm(forms.ModelForm):  # type: ignore[type-arg]  # it is no generic when it runs
    """What an admin decides about an indexer; a limit that is empty is none."""

    class Meta:
        model = Indexer
        fields = managing.CHANGEABLE
        labels = {
            "enabled": gettext_lazy("Asked"),
            "priority": gettext_lazy("Priority"),
            "queries_minute": gettext_lazy("Queries a minute"),
            "queries_hour": gettext_lazy("Queries an hour"),
            "queries_day": gettext_lazy("Queries a day"),
            "grabs_minute": gettext_lazy("Grabs a minute"),
            "grabs_hour": gettext_lazy("Grabs an hour"),
            "grabs_day": gettext_lazy("Grabs a day"),
        }
        help_texts = {
            **dict.fromkeys(LIMITS, gettext_lazy("Empty: no limit.")),
            "enabled": "",
            "priority": gettext_lazy(
                "1 to 50. Of two indexers that offer the same release, the one with the lower number is fetched from."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in LIMITS:
            self.fields[name].required = False


STATE_WORDS = {
    "removed": gettext_lazy("not configured any more"),
    "off": gettext_lazy("switched off"),
    "key_refused": gettext_lazy("refuses its key"),
    "left_alone": gettext_lazy("left alone"),
    "failing": gettext_lazy("failing"),
    "well": gettext_lazy("well"),
    "unknown": gettext_lazy("not asked yet"),
}


@admin.register(Indexer)
class IndexerAdmin(Listed):
    heading = gettext_lazy("Indexers")
    one = gettext_lazy("Indexer")
    form = IndexerForm
    list_display = (
        "name", "state", "until", "error", "priority", "queries", "failed_queries", "mean", "releases", "grabs",
        "when",
    )  # fmt: skip
    search_fields = ("name",)
    ordering = ("-configured", "priority", "name")
    actions = ("forget",)
    list_before_template = "dashboard/indexers_before.html"
    numbers = ("queries", "failed_queries", "mean", "releases", "grabs")
    readonly_fields = ("name", "kind", "state", "until", "when", "failures", "last_error", *numbers)
    fieldsets = (
        (None, {"fields": ("name", "kind", "state", "until", "last_error", "when")}),
        (gettext_lazy("How it is asked"), {"fields": managing.CHANGEABLE}),
        (gettext_lazy("How it went"), {"fields": numbers}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return isinstance(request.user, User) and request.user.is_admin

    def save_model(self, request: HttpRequest, obj: Indexer, form: IndexerForm, change: bool) -> None:
        assert isinstance(request.user, User)
        managing.change(obj.pk, {name: form.cleaned_data[name] for name in form.changed_data}, by=request.user)

    @admin.display(description=gettext_lazy("state"))
    def state(self, indexer: Indexer) -> str:
        return str(STATE_WORDS[managing.state_of(indexer, timezone.now())])

    @admin.display(description=gettext_lazy("last error"), ordering="last_error")
    def error(self, indexer: Indexer) -> SafeString:
        return format_html('<div class="dash-why">{}</div>', indexer.last_error)

    @admin.display(description=gettext_lazy("left alone until"), ordering="backoff_until")
    def until(self, indexer: Indexer) -> str:
        until = indexer.backoff_until
        return moment(until) if until and until > timezone.now() else "–"

    @admin.display(description=gettext_lazy("last answer"), ordering="answered_at")
    def when(self, indexer: Indexer) -> str:
        return moment(indexer.answered_at)

    @admin.display(description=gettext_lazy("mean answer"))
    def mean(self, indexer: Indexer) -> str:
        return f"{indexer.seconds / indexer.queries:.2f} s" if indexer.queries else "–"

    @admin.action(description=gettext_lazy("Forget its failures: it is asked again at once"))
    def forget(self, request: HttpRequest, chosen: QuerySet[Indexer]) -> None:
        assert isinstance(request.user, User)
        for indexer_id in list(chosen.values_list("pk", flat=True)):
            managing.forget(indexer_id, by=request.user)
        self.message_user(request, gettext("Forgotten. They are asked again at once."))
