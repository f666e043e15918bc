"""The dashboard's lists of people and of the audit trail, and what every list of the dashboard shares."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, ngettext
from unfold.admin import ModelAdmin

from apps.accounts import managing
from apps.accounts.models import AuditEntry, Role, User
from apps.accounts.second_factor import services as second_factor

if admin.site.is_registered(Group):
    admin.site.unregister(Group)  # roles, not groups, say who may do what


class Listed(ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """Rows to look at. What changes them is an action that calls a service, which writes the audit trail."""

    heading: Any = ""
    one: Any = ""
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_fullwidth = True

    def __init__(self, model: type[Any], site: admin.AdminSite) -> None:
        super().__init__(model, site)
        # Words of the dashboard, set here: in the model's Meta they would be a migration.
        model._meta.verbose_name, model._meta.verbose_name_plural = self.one, self.heading

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        answer: HttpResponse = super().changelist_view(request, {"title": self.heading, **(extra_context or {})})
        return answer

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, {"title": self.one, **(extra_context or {})}
        )
        return answer

    def log_addition(self, *_: Any) -> None:
        """Django's own log stays empty: the audit trail is the one that cannot be changed."""

    log_change = log_deletions = log_addition


def moment(at: datetime | None) -> str:
    """To the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else "–"


def path_link(request_id: str) -> SafeString | str:
    """To the timeline of a request."""
    if not request_id:
        return "–"
    return format_html('<a href="{}">{}</a>', reverse("admin:request", args=[request_id]), request_id)


@admin.register(User)
class UserAdmin(Listed):
    heading = gettext_lazy("People")
    one = gettext_lazy("Account")
    list_display = ("username", "email", "role", "is_active", "language", "created_at")
    list_filter = ("role", "is_active")
    search_fields = ("username", "email")
    ordering = ("-created_at", "-pk")
    fields = ("username", "email", "role", "is_active", "language", "created_at")
    readonly_fields = ("username", "email", "language", "created_at")
    actions = ("activate", "deactivate", "remove_second_factor")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return isinstance(request.user, User) and request.user.is_admin

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        assert isinstance(request.user, User)
        role = Role(obj.role)
        managing.change(obj.pk, by=request.user, role=role, is_active=obj.is_active)

    @admin.action(description=gettext_lazy("Activate"))
    def activate(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        self._switch(request, chosen, True)

    @admin.action(description=gettext_lazy("Deactivate: ends every sign-in"))
    def deactivate(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        self._switch(request, chosen, False)

    @admin.action(description=gettext_lazy("Remove the second factor: of somebody who lost it"))
    def remove_second_factor(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        assert isinstance(request.user, User)
        count = second_factor.remove_where_on(list(chosen.values_list("pk", flat=True)), by=request.user)
        self.message_user(request, ngettext("%(count)d second factor removed.", "%(count)d second factors removed.", count)
                          % {"count": count})  # fmt: skip

    def _switch(self, request: HttpRequest, chosen: QuerySet[User], active: bool) -> None:
        assert isinstance(request.user, User)
        ids = list(chosen.values_list("pk", flat=True))
        for user_id in ids:
            managing.change(user_id, by=request.user, is_active=active)
        self.message_user(request, gettext("%(count)d accounts changed.") % {"count": len(ids)})


class Topic(admin.SimpleListFilter):
    """By what an action is about: its name up to the dot. A fixed list, for the trail is too long to be searched for one."""

    title = gettext_lazy("topic")
    parameter_name = "topic"
    topics = ("auth", "user", "second_factor", "oidc", "telegram", "download", "job", "dlq", "indexer", "feed", "audit")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(topic, topic) for topic in self.topics]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action__startswith=f"{self.value()}.") if self.value() in self.topics else queryset


@admin.register(AuditEntry)
class AuditAdmin(Listed):
    """The one list that moderators see, too."""

    heading = gettext_lazy("Audit trail")
    one = gettext_lazy("Entry of the audit trail")
    list_display = ("when", "action", "target", "actor", "ip", "way")
    list_filter = (Topic, "at")
    search_fields = ("=actor", "=request_id", "action__startswith", "target__icontains")
    ordering = ("-id",)
    fields = ("id", "when", "action", "target", "actor", "actor_id", "ip", "details", "way", "chain")
    readonly_fields = fields
    list_before_template = "dashboard/verify.html"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return isinstance(request.user, User) and request.user.is_staff

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description=gettext_lazy("when"), ordering="id")
    def when(self, entry: AuditEntry) -> str:
        return moment(entry.at)

    @admin.display(description=gettext_lazy("request"))
    def way(self, entry: AuditEntry) -> SafeString | str:
        return path_link(entry.request_id)

    @admin.display(description=gettext_lazy("hash"))
    def chain(self, entry: AuditEntry) -> str:
        return bytes(entry.hash).hex()
