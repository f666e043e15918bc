"""The audit trail of a wish: the same line whichever door it came through."""

from apps.accounts.models import AuditEntry
from apps.downloads.models import Download


def assert_audited(username: str, command: str = "") -> None:
    """One wish of this person, told once, with what was asked for, by whom, and the request that leads to its whole path."""
    by = {"command": command} if command else {}
    download = Download.objects.select_related("media").get(user__username=username)
    [entry] = AuditEntry.objects.filter(action="download.started", actor=username)
    assert (entry.target, entry.actor_id) == (str(download.pk), download.user_id)
    assert entry.details == {"media_id": download.media_id, "title": download.media.title, **by}
    assert entry.request_id == download.request_id != ""
