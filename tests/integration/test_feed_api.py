"""REST of the feed: notifications, and what admins tell people."""

from collections.abc import Callable

import pytest
from django.utils.translation import gettext as _

from apps.accounts.models import AuditEntry, User
from apps.feed import push
from apps.feed.models import Event
from tests.cast import Api
from tests.web import Feed, Web

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]
Clients = Callable[[User | None], Api]


def test_notifications_are_listed_and_read(api: Clients, alice: User, bob: User) -> None:
    ids = [push.notify(alice.pk, "download_failed", f"“{n}” failed", download_id=n, media_id=7).pk for n in range(3)]
    push.record(alice.pk, "job.updated", {"status": "Failed"})
    his = push.notify(bob.pk, "hello", "Bob's").pk
    listed = api(alice).get("/notifications").json()
    assert (listed["total"], [row["id"] for row in listed["results"]]) == (3, ids[::-1])
    newest = listed["results"][0]
    assert (newest["read"], newest["code"], newest["text"]) == (False, "download_failed", "“2” failed")
    assert (newest["download_id"], newest["media_id"]) == (2, 7)

    def read(**body: object) -> tuple[int, int]:
        answer = api(alice).post("/notifications/read", body)
        return answer.status_code, answer.json().get("read")

    assert read(ids=[ids[0], his, 10**9]) == (200, 1)
    assert [row["read"] for row in api(alice).get("/notifications").json()["results"]] == [False, False, True]
    assert read() == (200, 2)
    assert read() == (200, 0)
    assert Event.objects.get(pk=his).read_at is None
    for wrong in ({"ids": "all"}, {"ids": [0]}, {"ids": [2**70]}, {"ids": [None]}, {"id": 1}, {"ids": [1] * 1001}):
        assert read(**wrong)[0] == 400, str(wrong)[:40]
    assert api(None).get("/notifications").status_code == api(None).post("/notifications/read", {}).status_code == 401


def test_every_reader_has_the_words_in_their_language(web: Web, api: Clients, alice: User) -> None:
    with Feed(web, alice) as feed:
        feed.until("snapshot")
        push.notify(alice.pk, "download_completed", lambda: _("“%(title)s” is in your library.") % {"title": "Up"})
        data = feed.until("notification")["data"]
    french = "«\u00a0Up\u00a0» est dans votre bibliothèque."
    assert (data["text"], data["texts"]) == ("“Up” is in your library.", {"fr": french})
    for language, text in (("en", data["text"]), ("fr-FR", french), ("de", data["text"])):
        (row,) = api(alice).get("/notifications", headers={"Accept-Language": language}).json()["results"]
        assert row["text"] == text
        assert "texts" not in row


def test_a_broadcast_reaches_everybody_and_a_message_one(
    web: Web, api: Clients, admin: User, alice: User, bob: User
) -> None:
    with Feed(web, alice) as hers, Feed(web, bob) as his, Feed(web, admin) as own:
        for feed in (hers, his, own):
            feed.until("snapshot")
        said = api(admin).post("/admin/messages", {"user_id": alice.pk, "text": "for <b>you</b>"})
        assert said.status_code == 200
        everybody = api(admin).post("/admin/broadcast", {"text": "Back at noon"})
        assert everybody.status_code == 200
        message = hers.next()
        assert (message["type"], message["data"], message["id"]) == (
            "message",
            {"text": "for <b>you</b>"},
            said.json()["id"],
        )
        for feed in (hers, his, own):
            message = feed.next()
            assert (message["type"], message["data"]) == ("broadcast", {"text": "Back at noon"})
            assert message["id"] == everybody.json()["id"]
            assert feed.silent()
    entries = list(AuditEntry.objects.filter(action__startswith="feed.").order_by("id"))
    assert [(entry.action, entry.actor, entry.target) for entry in entries] == [
        ("feed.message", "admin", "alice"),
        ("feed.broadcast", "admin", ""),
    ]
    assert entries[1].details["text"] == "Back at noon"


@pytest.mark.parametrize("path", ["/admin/broadcast", "/admin/messages"])
def test_only_admins_tell_people(api: Clients, alice: User, moderator: User, admin: User, path: str) -> None:
    body = {"text": "x"} | ({"user_id": alice.pk} if path.endswith("messages") else {})
    assert api(None).post(path, body).status_code == 401
    for user in (alice, moderator):
        assert api(user).post(path, body).status_code == 403
    assert api(admin).post(path, body).status_code == 200
    for wrong in ({}, {"text": ""}, {"text": " "}, {"text": "x" * 2001}, {"text": "a\0"}, {"more": 1}):
        assert api(admin).post(path, {**body, "text": None, **wrong}).status_code == 400, str(wrong)[:40]
    assert Event.objects.filter(type__in=["broadcast", "message"]).count() == 1


def test_a_message_to_nobody_is_404(api: Clients, admin: User, alice: User) -> None:
    alice.is_active = False
    alice.save()
    for user_id in (alice.pk, 10**9):
        assert api(admin).post("/admin/messages", {"user_id": user_id, "text": "x"}).status_code == 404
    assert not Event.objects.exists()
