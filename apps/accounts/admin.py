"""The dashboard's lists of people and of the audit trail, and what every list of the dashboard shares."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext, gettext_lazy, ngettext, pgettext_lazy
from unfold.admin import ModelAdmin, checkbox
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldBooleanWidget

from apps.accounts import managing, quotas, services
from apps.accounts.models import AuditEntry, Role, User
from apps.accounts.second_factor import services as second_factor
from sokoul.errors import PermanentError
from sokoul.postgres.counting import Estimated
from sokoul.templatetags.shown import quota, quota_of_bytes, size

if admin.site.is_registered(Group):
    admin.site.unregister(Group)  # roles, not groups, say who may do what


# What the lists call columns of the tables, by the column's name.
COLUMNS: Mapping[str, Promise] = {
    "media": pgettext_lazy("column", "title"),
    "user": pgettext_lazy("column", "user"),
    "phase": pgettext_lazy("column", "phase"),
    "peers": pgettext_lazy("column", "peers"),
    "reason": pgettext_lazy("column", "reason"),
    "title": pgettext_lazy("column", "title"),
    "indexer": pgettext_lazy("column", "indexer"),
    "seeders": pgettext_lazy("column", "seeders"),
    "seen_at": pgettext_lazy("column", "seen"),
    "torrent": pgettext_lazy("column", "release"),
    "profile": pgettext_lazy("column", "profile"),
    "score": pgettext_lazy("column", "points"),
    "name": pgettext_lazy("column", "name"),
    "kind": pgettext_lazy("column", "kind"),
    "priority": pgettext_lazy("column", "priority"),
    "queries": pgettext_lazy("column", "queries"),
    "failed_queries": pgettext_lazy("column", "failed queries"),
    "releases": pgettext_lazy("column", "releases"),
    "grabs": pgettext_lazy("column", "grabs"),
    "last_error": pgettext_lazy("column", "last error"),
    "year": pgettext_lazy("column", "year"),
    "genres": pgettext_lazy("column", "genres"),
    "updated_at": pgettext_lazy("column", "updated"),
    "status": pgettext_lazy("column", "status"),
    "attempts": pgettext_lazy("column", "attempts"),
    "error": pgettext_lazy("column", "error"),
    "source": pgettext_lazy("column", "source"),
    "target": pgettext_lazy("column", "target"),
    "created_at": pgettext_lazy("column", "since"),
    "email": pgettext_lazy("column", "e-mail"),
    "is_active": pgettext_lazy("column", "active"),
    "actor": pgettext_lazy("column", "by"),
    "language": pgettext_lazy("column", "language"),
    "username": pgettext_lazy("column", "name"),
    "role": pgettext_lazy("column", "role"),
}


@cache
def _box(language: str | None) -> str:
    """What chooses a row, as Unfold draws it, with {} for the row's key: fifty times its template is a fifth of a list's time."""
    return str(checkbox.render(ACTION_CHECKBOX_NAME, "{}"))


class Listed(ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """Rows to look at. What changes them is an action that calls a service, which writes the audit trail."""

    heading: Any = ""
    one: Any = ""
    list_per_page = 50
    show_full_result_count = False
    paginator = Estimated
    show_facets = admin.ShowFacets.NEVER
    list_fullwidth = True

    def __init__(self, model: type[Any], site: admin.AdminSite) -> None:
        super().__init__(model, site)
        # Words of the dashboard, set here: in the model's Meta they would be a migration.
        model._meta.verbose_name, model._meta.verbose_name_plural = self.one, self.heading
        for column in model._meta.fields:
            column.verbose_name = COLUMNS.get(column.name, column.verbose_name)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="")  # the head of this column is a box, too
    def action_checkbox(self, obj: Any) -> SafeString:
        return format_html(_box(get_language()), obj.pk)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """By what the list offers and nothing else: Django takes any column, and so gives away what is never shown, a password's
        hash above all, letter by letter."""
        offered = (
            getattr(one, "parameter_name", one[0] if isinstance(one, tuple) else one) for one in self.list_filter
        )
        return lookup.partition("__")[0] in offered

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "POST" and not self.actions:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if any(
            "\0" in text for _name, texts in request.GET.lists() for text in texts
        ):  # PostgreSQL would not even look
            return redirect(f"{request.path}?e=1")
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


GIGABYTE = 10**9


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]  # it is no generic when it runs
    """What an admin decides about somebody. A new role and a closed account have to be confirmed: they hurt at once."""

    quota_gigabytes = forms.DecimalField(
        label=gettext_lazy("Gigabytes kept"),
        help_text=gettext_lazy("Of what is being downloaded or was, and is still there. Empty: no limit."),
        required=False,
        min_value=0,
        max_digits=9,
        decimal_places=3,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    confirmed = forms.BooleanField(
        label=gettext_lazy("Confirm"),
        help_text=gettext_lazy("Needed to change the role, or to close the account, which ends every sign-in."),
        required=False,
        widget=UnfoldBooleanWidget,
    )

    class Meta:
        model = User
        fields = ("role", "is_active", "quota_active", "quota_weekly")
        labels = {
            "role": gettext_lazy("Role"),
            "is_active": gettext_lazy("Active"),
            "quota_active": gettext_lazy("Downloads at once"),
            "quota_weekly": gettext_lazy("Downloads in 7 days"),
        }
        help_texts = {
            "is_active": "",
            "quota_active": gettext_lazy("0 to 100. Empty: 5."),
            "quota_weekly": gettext_lazy("Started in any 7 days. Empty: no limit."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.quota_bytes is not None:
            self.initial["quota_gigabytes"] = Decimal(self.instance.quota_bytes) / GIGABYTE

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        closed = "is_active" in self.changed_data and not asked.get("is_active")
        if ("role" in self.changed_data or closed) and not asked.get("confirmed"):
            self.add_error("confirmed", gettext("Tick this to go on."))
        return asked

    def changes(self) -> dict[str, Any]:
        """What was changed, as `managing.change` takes it."""
        asked, changed = self.cleaned_data, self.changed_data
        limits = {name: asked[f"quota_{name}"] for name in ("active", "weekly") if f"quota_{name}" in changed}
        if "quota_gigabytes" in changed:
            kept = asked["quota_gigabytes"]
            limits["bytes"] = None if kept is None else int(kept * GIGABYTE)
        role = Role(asked["role"]) if "role" in changed else None
        return {"role": role, "is_active": asked["is_active"] if "is_active" in changed else None, "limits": limits}


@admin.register(User)
class UserAdmin(Listed):
    heading = gettext_lazy("People")
    one = gettext_lazy("Account")
    form = AccountForm
    list_display = ("username", "email", "role", "is_active", "limits", "language", "created_at")
    list_filter = ("role", "is_active")
    search_fields = ("username", "email")
    ordering = ("-created_at", "-pk")
    fieldsets = (
        (None, {"fields": ("username", "email", "language", "created_at")}),
        (gettext_lazy("What they may do"), {"fields": ("role", "is_active", "confirmed")}),
        (
            gettext_lazy("Quotas"),
            {"fields": ("quota_active", "quota_gigabytes", "quota_weekly", "active", "kept", "weekly")},
        ),
    )
    readonly_fields = ("username", "email", "language", "created_at", "active", "kept", "weekly")
    actions = ("activate", "deactivate", "end_sign_ins", "remove_second_factor")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return isinstance(request.user, User) and request.user.is_admin

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        user: User | None = super().get_object(request, object_id, from_field)
        if user is not None:
            user.shown_quotas = quotas.shown([user])[user.pk]  # type: ignore[attr-defined]  # asked once a page
        return user

    def save_model(self, request: HttpRequest, obj: User, form: AccountForm, change: bool) -> None:
        assert isinstance(request.user, User)
        managing.change(obj.pk, by=request.user, **form.changes())

    @admin.display(description=gettext_lazy("quotas"))
    def limits(self, user: User) -> str:
        """Those that an admin set."""
        set_for = quotas.set_for(user)
        told = {
            "active": gettext("%(count)s at once"), "bytes": gettext("%(count)s kept"), "weekly": gettext("%(count)s a week"),
        }  # fmt: skip
        shown = {**set_for, "bytes": size(set_for["bytes"])}
        return (
            ", ".join(text % {"count": shown[name]} for name, text in told.items() if set_for[name] is not None) or "–"
        )

    @admin.display(description=gettext_lazy("At once now"))
    def active(self, user: Any) -> str:
        return quota(user.shown_quotas["active"])

    @admin.display(description=gettext_lazy("Kept now"))
    def kept(self, user: Any) -> str:
        return quota_of_bytes(user.shown_quotas["bytes"])

    @admin.display(description=gettext_lazy("In the last 7 days"))
    def weekly(self, user: Any) -> str:
        return quota(user.shown_quotas["weekly"])

    @admin.action(description=gettext_lazy("Activate"))
    def activate(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        self._switch(request, chosen, True)

    @admin.action(description=gettext_lazy("Deactivate: ends every sign-in"))
    def deactivate(self, request: HttpRequest, chosen: QuerySet[User]) -> HttpResponse | None:
        if "confirmed" in request.POST:
            self._switch(request, chosen, False)
            return None
        context = {**self.admin_site.each_context(request), "title": gettext("Deactivate"), "people": chosen}
        return TemplateResponse(request, "dashboard/deactivate.html", context)

    @admin.action(description=gettext_lazy("End every sign-in: they may sign in again"))
    def end_sign_ins(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        assert isinstance(request.user, User)
        people = list(chosen.filter(is_active=True))  # nobody else has any
        for user in people:
            services.sign_out_everywhere(user, by=request.user)
        self.message_user(request, ngettext("The sign-ins of %(count)d person have ended.",
                                            "The sign-ins of %(count)d people have ended.", len(people))
                          % {"count": len(people)})  # fmt: skip

    @admin.action(description=gettext_lazy("Remove the second factor: of somebody who lost it"))
    def remove_second_factor(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        assert isinstance(request.user, User)
        count = second_factor.remove_where_on(list(chosen.values_list("pk", flat=True)), by=request.user)
        self.message_user(request, ngettext("%(count)d second factor removed.", "%(count)d second factors removed.", count)
                          % {"count": count})  # fmt: skip

    def _switch(self, request: HttpRequest, chosen: QuerySet[User], active: bool) -> None:
        """Each by itself, saying which could not be changed."""
        assert isinstance(request.user, User)
        count = 0
        for user_id, name in list(chosen.values_list("pk", "username")):
            try:
                managing.change(user_id, by=request.user, is_active=active)
                count += 1
            except PermanentError as error:
                self.message_user(request, f"{name}: {error.message}", messages.ERROR)
        if count:
            self.message_user(request, gettext("%(count)d accounts changed.") % {"count": count})


class Topic(admin.SimpleListFilter):
    """By what an action is about: its name up to the dot. A fixed list, for the trail is too long to be searched for one."""

    title = gettext_lazy("topic")
    parameter_name = "topic"
    topics = (
        "auth", "user", "second_factor", "oidc", "apikey", "channel", "preferences", "telegram", "download", "blocklist",
        "library", "follow", "calendar", "profile", "job", "dlq", "indexer", "feed", "configuration", "secret", "backup", "audit",
        "release",
    )  # fmt: skip

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
