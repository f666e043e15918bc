"""Quotas of a person: downloads at once, bytes kept, downloads a week. Each has its sentence, and holds exactly."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts.models import AuditEntry, User
from apps.bot import talking
from apps.bot.reply import Sender
from apps.downloads import preparation, rows, services
from apps.downloads.models import STATUS_OF, Candidate, Download, Phase, Start, Torrent
from apps.jobs.models import Job
from apps.media.models import Media
from sokoul.errors import PermanentError
from sokoul.templatetags.shown import size
from tests.cast import Api
from tests.demo import Demo
from tests.integration.test_downloads_api import race
from tests.wishes import hunting, make_media, reaches, wish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]
Clients = Callable[[User | None], Api]
MB = 1_000_000


def film() -> Media:
    number = Media.objects.count() + 1
    return make_media(f"Film {number}", number)


def release(media: Media, size: int) -> Torrent:
    number = Torrent.objects.count() + 1
    torrent = Torrent.objects.create(
        key=f"btih:{number}", title=f"R{number}", info_hash_v1=f"{number:040x}", size=size, indexer="one", seen_at=timezone.now(),
        magnet=f"magnet:?xt=urn:btih:{number:040x}",
    )  # fmt: skip
    Candidate.objects.create(media=media, torrent=torrent, score=1, decided_at=timezone.now())
    return torrent


def have(user: User, phase: Phase, size: int, **fields: Any) -> Download:
    return Download.objects.create(
        user=user, media=film(), phase=phase, status=STATUS_OF[phase], bytes_total=size, **fields
    )


def limit(user: User, **limits: int | None) -> None:
    User.objects.filter(pk=user.pk).update(**{f"quota_{name}": number for name, number in limits.items()})


def start(client: Api, media: Media | None = None, **body: Any) -> Any:
    return client.post("/downloads/start", {"media_id": (media or film()).pk, **body})


def told(answer: Any) -> dict[str, Any]:
    """A refusal, which changed nothing."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["type"]) == (429, "about:blank#quota"), problem
    return problem


def test_downloads_at_once_are_five_unless_an_admin_says_otherwise(api: Clients, alice: User, bob: User) -> None:
    for quota, user in ((None, alice), (2, bob)):
        limit(user, active=quota)
        most = quota or 5
        assert [start(api(user)).status_code for _ in range(most)] == [202] * most
        problem = told(start(api(user)))
        assert problem["detail"] == (
            f"You have {most} downloads that have not ended; {most} at a time is the limit. "
            "Wait for one to finish or cancel one."
        )
        assert (problem["quota"], problem["used"], problem["limit"]) == ("active", most, most)
    limit(alice, active=6)
    assert start(api(alice)).status_code == 202
    limit(bob, active=0)
    assert told(start(api(bob)))["detail"] == "You may not download anything at the moment. Ask an admin."


def test_bytes_kept_are_those_of_what_has_not_failed(api: Clients, alice: User, mallory: User) -> None:
    have(alice, Phase.DONE, 600 * MB)
    have(alice, Phase.DOWNLOADING, 300 * MB)
    for phase in (Phase.FAILED, Phase.CANCELLED):
        have(alice, phase, 5000 * MB)
    have(mallory, Phase.DONE, 5000 * MB)
    limit(alice, bytes=1000 * MB)
    media = film()
    problem = told(start(api(alice), media, torrent_id=release(media, 101 * MB).pk))
    assert problem["detail"] == (
        "This download has 101 MB; you keep 900 MB of the 1.0 GB that you may. Choose a smaller release, delete something from "
        "your library, or ask an admin for more."
    )
    assert (problem["quota"], problem["used"], problem["limit"]) == ("bytes", 900 * MB, 1000 * MB)
    assert not Job.objects.exists()
    assert not Start.objects.exists()
    assert start(api(alice), media, torrent_id=release(media, 100 * MB).pk).status_code == 202
    # Nothing is left: not even what has no size yet begins.
    assert told(start(api(alice)))["detail"].startswith("You keep 1.0 GB of the 1.0 GB that you may. Delete something")


def test_the_week_slides_and_forgets_nothing_that_was_removed(api: Clients, alice: User) -> None:
    limit(alice, weekly=2)
    first = start(api(alice)).json()["id"]
    for _ in range(2):  # cancelled, then out of the list
        assert api(alice).delete(f"/downloads/{first}").status_code == 204
    assert start(api(alice)).status_code == 202
    problem = told(start(api(alice)))
    oldest = Start.objects.earliest("at")
    assert problem["detail"] == (
        "You started 2 downloads in the last 7 days; 2 is the limit. You can start the next one from "
        f"{oldest.at + timedelta(days=7):%Y-%m-%d %H:%M} UTC, or ask an admin for more."
    )
    Start.objects.filter(pk=oldest.pk).update(at=timezone.now() - timedelta(days=7, seconds=1))
    assert start(api(alice)).status_code == 202
    assert Start.objects.filter(user=alice).count() == 2, "older ones are swept"


def test_a_retry_is_a_start_but_keeps_its_bytes_once(api: Clients, alice: User) -> None:
    media = film()
    torrent = release(media, 700 * MB)
    failed = have(alice, Phase.FAILED, 700 * MB, torrent=torrent)
    have(alice, Phase.DONE, 300 * MB)
    limit(alice, bytes=999 * MB)
    assert "700 MB" in told(api(alice).post(f"/downloads/{failed.pk}/retry"))["detail"]
    limit(alice, bytes=1000 * MB, weekly=0)
    assert told(api(alice).post(f"/downloads/{failed.pk}/retry"))["quota"] == "weekly"
    limit(alice, weekly=1)
    assert api(alice).post(f"/downloads/{failed.pk}/retry").status_code == 202
    assert told(start(api(alice)))["quota"] == "weekly"


@pytest.mark.parametrize(
    ("limits", "accepted"), [({"active": 3}, 3), ({"weekly": 2}, 2), ({"bytes": 450 * MB}, 4), ({}, 5)]
)
def test_of_eight_at_once_exactly_as_many_as_allowed(
    api: Clients, alice: User, limits: dict[str, int], accepted: int
) -> None:
    limit(alice, **limits)
    bodies = []
    for _ in range(8):
        media = film()
        bodies.append({"media_id": media.pk, "torrent_id": release(media, 100 * MB).pk})
    assert race(api, alice, bodies) == {202: accepted, 429: 8 - accepted}
    assert Download.objects.count() == Job.objects.count() == Start.objects.count() == accepted


# --- when the size becomes known later ---------------------------------------------------------------------------------


def reason_of(download_id: int) -> str:
    row = Download.objects.get(pk=download_id)
    assert row.phase == "failed"
    return row.reason


def test_what_the_search_chose_is_refused_where_it_is_too_large(api: Clients, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(language="fr")
    limit(alice, bytes=100 * MB)
    download_id = start(api(alice)).json()["id"]
    services.choose(download_id, release(film(), 200 * MB), [])
    assert reason_of(download_id).startswith("Ce téléchargement fait 200 Mo\xa0; vous gardez 0 o")
    assert not Job.objects.filter(kind="start").exists()
    second = start(api(alice)).json()["id"]
    services.choose(second, release(film(), 100 * MB), [])
    assert Download.objects.get(pk=second).phase == "queued"


def test_a_torrent_file_that_says_its_size_is_refused(demo: Demo, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    content = demo.add_content("Big.2021.1080p", [{"path": "Big.mp4", "size": 2 * MB, "video": True}], "v1")
    media = film()
    torrent = release(media, 0)
    Torrent.objects.filter(pk=torrent.pk).update(
        magnet="", download_url="http://indexer/1", info_hash_v1=content.info_hash_v1
    )
    limit(alice, bytes=MB)
    download, _ = services.start(alice.pk or 0, media.pk, torrent_id=torrent.pk)
    monkeypatch.setattr(preparation.indexers, "fetch_torrent", lambda _: httpx.get(content.torrent_url).content)
    preparation.prepare(download.pk)
    assert reason_of(download.pk).startswith(f"This download has {size(content.size)}; you keep 0 B of the 1.0 MB that")


def test_a_magnet_whose_metadata_says_its_size_is_refused(demo: Demo, alice: User, bob: User) -> None:
    """And who shares the swarm and may have it goes on."""
    content = demo.add_content("Film.2021.1080p", [{"path": "F.mp4", "size": 2 * MB, "video": True}], "v1")
    limit(alice, bytes=MB)
    media = film()
    hers, his = wish(alice, media, content.magnet), wish(bob, media, content.magnet)
    with hunting():
        reaches(his, Phase.SEEDING)
        reaches(hers, Phase.FAILED)
    assert reason_of(hers.pk).startswith(f"This download has {size(content.size)}; you keep 0 B of the 1.0 MB that")


# --- what people and admins see ----------------------------------------------------------------------------------------


def test_the_profile_says_what_is_used(api: Clients, alice: User) -> None:
    have(alice, Phase.DONE, 1500 * MB)
    start(api(alice))
    limit(alice, bytes=2000 * MB)
    alice.refresh_from_db()
    assert api(alice).get("/user/profile").json()["quotas"] == {
        "active": {"used": 1, "limit": 5},
        "bytes": {"used": 1500 * MB, "limit": 2000 * MB},
        "weekly": {"used": 1, "limit": None},
    }
    page = Client()
    page.force_login(alice, "apps.accounts.authentication.EmailOrUsernameBackend")
    text = page.get("/app/profile").content.decode()
    for words in ("1 of 5", "1.5 GB of 2.0 GB", "1, no limit"):
        assert f"<dd>{words}</dd>" in text, words


def test_an_admin_sets_them_and_it_is_noted(api: Clients, alice: User, admin: User) -> None:
    path = f"/admin/users/{alice.pk}"
    answer = api(admin).patch(path, {"quotas": {"active": 1, "bytes": 5 * MB}})
    assert answer.json()["quotas"] == {
        "active": {"used": 0, "limit": 1}, "bytes": {"used": 0, "limit": 5 * MB}, "weekly": {"used": 0, "limit": None},
    }  # fmt: skip
    api(admin).patch(path, {"quotas": {"active": None, "weekly": 7}})
    api(admin).patch(path, {"quotas": {"weekly": 7}})  # as it is: nothing to note
    noted = list(AuditEntry.objects.filter(action="user.quotas_changed").order_by("id"))
    assert [(entry.actor, entry.target) for entry in noted] == [("admin", "alice")] * 2
    assert noted[1].details["before"] == {"active": 1, "bytes": 5 * MB, "weekly": None}
    assert noted[1].details["after"] == {"active": None, "bytes": 5 * MB, "weekly": 7}
    listed = api(admin).get("/admin/users", query="alice").json()["results"][0]
    assert {name: pair["limit"] for name, pair in listed["quotas"].items()} == {
        "active": 5,
        "bytes": 5 * MB,
        "weekly": 7,
    }
    assert api(admin).patch(f"/admin/users/{admin.pk}", {"quotas": {"active": 9}}).status_code == 200
    assert api(admin).patch(f"/admin/users/{admin.pk}", {"quotas": {"active": 9}, "role": "user"}).status_code == 409


@pytest.mark.parametrize(
    "quotas", [{"active": 101}, {"active": -1}, {"bytes": -1}, {"weekly": -1}, {"weekly": 10_001}, {"days": 1}, [], 5]
)
def test_quotas_that_make_no_sense_are_refused(api: Clients, alice: User, admin: User, quotas: Any) -> None:
    assert api(admin).patch(f"/admin/users/{alice.pk}", {"quotas": quotas}).status_code == 400


@pytest.mark.parametrize(("name", "number"), [("active", 101), ("active", -1), ("bytes", -1), ("weekly", 10_001)])
def test_the_database_refuses_them_too(alice: User, name: str, number: int) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        limit(alice, **{name: number})


def test_pages_and_bot_say_the_same(api: Clients, alice: User) -> None:
    limit(alice, weekly=0)
    media = film()
    said = told(start(api(alice), media))["detail"]
    page = Client()
    page.force_login(alice, "apps.accounts.authentication.EmailOrUsernameBackend")
    toast = page.post(f"/app/downloads/start/{media.pk}", headers={"HX-Request": "true"})
    assert (toast.status_code, said in toast.content.decode()) == (429, True)
    with pytest.raises(PermanentError) as refused:
        talking.registry.of_press("b")(Sender(1, 1, "a", "en", alice), [media.pk, None, None])  # type: ignore[misc]
    assert talking._excuse(refused.value) == said
    assert rows.active(alice.pk or 0) == []
