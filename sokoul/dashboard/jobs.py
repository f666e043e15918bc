"""The dashboard's list of jobs. Here and not in apps.jobs, which knows no roles and writes no audit trail."""

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from apps.accounts import operating
from apps.accounts.admin import Listed, moment, path_link
from apps.accounts.models import User
from apps.jobs.models import Job
from sokoul.errors import PermanentError

KINDS = (
    "hunter.import",
    "hunter.start",
    "notifier.confirm",
    "notifier.send",
    "notifier.test",
    "scout.details",
    "scout.redecide",
    "scout.search",
)


class Kind(admin.SimpleListFilter):
    """A fixed list, which is quicker than asking the rows."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        worker, _, kind = (self.value() or "").partition(".")
        return queryset.filter(worker=worker, kind=kind) if kind else queryset


@admin.register(Job)
class JobAdmin(Listed):
    heading = gettext_lazy("Jobs")
    one = gettext_lazy("Job")
    list_display = ("name", "status", "attempts", "user", "accepted", "ended", "error", "id", "way")
    list_filter = ("status", Kind, "created_at")
    list_select_related = ("user",)
    search_fields = ("=id", "=request_id", "=user__username")
    ordering = ("-created_at", "-pk")
    actions = ("retry",)
    fields = (
        "id", "name", "status", "attempts", "error", "user", "way", "payload_shown", "result_shown", "created_at",
        "run_at", "published_at", "sequence", "started_at", "finished_at", "lease_until",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def name(self, job: Job) -> str:
        return f"{job.worker}.{job.kind}"

    @admin.display(description=gettext_lazy("accepted"), ordering="created_at")
    def accepted(self, job: Job) -> str:
        return moment(job.created_at)

    @admin.display(description=gettext_lazy("ended"), ordering="finished_at")
    def ended(self, job: Job) -> str:
        return moment(job.finished_at)

    @admin.display(description=gettext_lazy("request"))
    def way(self, job: Job) -> SafeString | str:
        return path_link(job.request_id)

    @admin.display(description=gettext_lazy("payload"))
    def payload_shown(self, job: Job) -> SafeString:
        return _json(job.payload)

    @admin.display(description=gettext_lazy("result"))
    def result_shown(self, job: Job) -> SafeString:
        return _json(job.result)

    @admin.action(description=gettext_lazy("Run again (failed jobs)"))
    def retry(self, request: HttpRequest, chosen: QuerySet[Job]) -> None:
        assert isinstance(request.user, User)
        count = 0
        for job_id in list(chosen.values_list("pk", flat=True)):
            try:
                operating.retry(job_id, by=request.user)
                count += 1
            except PermanentError as error:
                self.message_user(request, f"{job_id}: {error.message}", messages.ERROR)
        if count:
            self.message_user(request, gettext("%(count)d jobs run again.") % {"count": count})


def _json(value: Any) -> SafeString:
    return format_html('<pre class="dash-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))
