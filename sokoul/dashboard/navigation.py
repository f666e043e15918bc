"""The dashboard's side bar."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from sokoul.dashboard.site import is_admin, is_staff

Allowed = Callable[[HttpRequest], bool]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """UNFOLD's SIDEBAR.navigation."""
    groups: list[tuple[str, list[tuple[str, str, str]]]] = [
        ("", [(_("Overview"), "monitoring", "index"), (_("Follow a request"), "route", "requests")]),
        (
            _("Work"),
            [
                (_("Downloads"), "download", "downloads_download_changelist"),
                (_("Jobs"), "work", "jobs_job_changelist"),
                (_("Dead letters"), "report", "dlq"),
            ],
        ),
        (
            _("Catalogue"),
            [
                (_("Titles"), "movie", "media_media_changelist"),
                (_("Releases"), "album", "downloads_torrent_changelist"),
                (_("Decisions"), "rule", "downloads_candidate_changelist"),
                (_("Blocklist"), "block", "downloads_blocked_changelist"),
                (_("Import a library"), "drive_folder_upload", "library_import"),
                (_("Quality profiles"), "tune", "profiles"),
                (_("Indexers"), "travel_explore", "downloads_indexer_changelist"),
            ],
        ),
        (
            _("Order"),
            [
                (_("People"), "group", "accounts_user_changelist"),
                (_("Audit trail"), "policy", "accounts_auditentry_changelist"),
                (_("Settings"), "settings", "settings"),
            ],
        ),
    ]
    return [
        {"title": title, "separator": bool(title), "items": [_item(*item) for item in items if _may(request, item[2])]}
        for title, items in groups
        if any(_may(request, item[2]) for item in items)
    ]


def _may(request: HttpRequest, name: str) -> bool:
    return is_staff(request) if name == "accounts_auditentry_changelist" else is_admin(request)


def _item(title: str, icon: str, name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{name}")}


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """UNFOLD's ACCOUNT.navigation."""
    return [{"title": _("Your profile"), "link": reverse("app:profile")}]
