"""The main job over REST on the whole product: search, choose, download, file, play; also when parts die in the middle."""

import hashlib
import signal
import time

import pytest
from django.utils import timezone

from apps.downloads.models import Download, LibraryFile
from apps.feed.models import Event
from apps.media.models import Schedule
from tests import servers
from tests.audited import assert_audited
from tests.person import Person
from tests.product import Product
from tests.waiting import until

pytestmark = [pytest.mark.stack]


def test_search_choose_download_file_play(product: Product) -> None:
    product.start()
    alice = Person(product)
    media_id = alice.find("last+night+tram")
    waited = alice.raw("POST", "/search", {"media_id": media_id}, Prefer="wait=20")
    assert waited.status_code == 200, waited.text
    releases = alice.call("GET", f"/media/{media_id}/torrents")["results"]
    best, worst = releases[0], releases[-1]
    assert best["score"] == sum(reason["points"] for reason in best["reasons"])
    assert worst["score"] is None
    assert any("cinema" in rejection["sentence"] for row in releases for rejection in row["rejections"])

    started = alice.call("POST", "/downloads/start", media_id=media_id)
    row = alice.completes(started["id"])
    assert row["torrent_id"] == best["id"], "the best one was taken"
    assert alice.call("GET", f"/jobs/{started['job_id']}")["status"] == "Completed"

    (file,) = alice.call("GET", "/library")["results"]
    bytes_played = alice.raw("GET", file["stream_url"]).content
    expected = next(iter(product.demo.torrent(best["title"]).sha256.values()))
    assert hashlib.sha256(bytes_played).hexdigest() == expected
    assert hashlib.sha256((product.library / file["path"]).read_bytes()).hexdigest() == expected
    assert file["duration"] == pytest.approx(64, abs=1)
    assert_audited("alice")


def test_a_wish_without_a_release_is_found_chosen_and_downloaded(product: Product) -> None:
    product.start()
    alice = Person(product)
    started = alice.call("POST", "/downloads/start", media_id=alice.find("snail+express"))
    assert alice.completes(started["id"])["torrent_id"]


def test_the_hunter_killed_at_half_goes_on_with_what_is_on_disk(product: Product) -> None:
    product.demo.set_rate(1_500_000)
    product.start(HUNTER_LEASE="3")
    alice = Person(product)
    media_id = alice.find("robot")  # a film of this test alone: the seeder counts over all
    started = alice.call("POST", "/downloads/start", media_id=media_id)
    until(lambda: alice.download(started["id"])["progress"] > 40, 60, "nearly half of it")
    product.kill("hunter")
    product.start("hunter", HUNTER_LEASE="3")
    row = alice.completes(started["id"])
    releases = alice.call("GET", f"/media/{media_id}/torrents")["results"]
    taken = next(release for release in releases if release["id"] == row["torrent_id"])
    content = product.demo.torrent(taken["title"])
    assert row["bytes_done"] == row["bytes_total"]
    assert content.uploaded < content.size * 1.25, "what was on disk was not fetched again"


def test_a_hunter_that_froze_beyond_its_lease_finds_its_work_taken_and_leaves_it_alone(product: Product) -> None:
    """Two hunters: the one that has the download is frozen, the other takes over; the first one wakes again before the end."""
    product.demo.set_rate(150_000)  # the second hunter is there long before the end
    product.start("web", "scout", "relay", "hunter", HUNTER_LEASE="4")
    alice = Person(product)
    media_id = alice.find("robot")
    started = alice.call("POST", "/downloads/start", media_id=media_id)
    until(lambda: alice.download(started["id"])["progress"] > 5, 60, "the first bytes")
    first = Download.objects.get(pk=started["id"])
    product.start("hunter-2", HUNTER_LEASE="4")
    until(lambda: "hunter started" in product.log("hunter-2"), 60, "the second hunter")
    product.signal("hunter", signal.SIGSTOP)
    until(lambda: Download.objects.get(pk=first.pk).fence > first.fence, 60, "the takeover")
    second = Download.objects.get(pk=first.pk).hunter
    product.signal("hunter", signal.SIGCONT)
    product.demo.set_rate(0)
    row = alice.completes(started["id"])
    assert Download.objects.get(pk=first.pk).hunter == second
    assert row["bytes_done"] == row["bytes_total"]
    assert LibraryFile.objects.filter(download=first).count() == 1
    told = Event.objects.filter(type="notification", data__code="download_completed", data__download_id=first.pk)
    assert told.count() == 1
    phases = [event.data["phase"] for event in Event.objects.filter(type="download.updated").order_by("id")]
    assert [phase for phase in phases if phase in {"filing", "seeding"}] == ["filing", "seeding"]
    for name in ("hunter", "hunter-2"):
        assert product.stop(name) == 0


def test_without_nats_a_wish_is_accepted_at_once_and_fulfilled_later(product: Product) -> None:
    product.start()
    alice = Person(product)
    media_id = alice.find("last+night+tram")
    nats = servers.SERVERS["NATS_URL"]
    nats.stop()
    try:
        begun = time.monotonic()
        answer = alice.raw("POST", "/downloads/start", {"media_id": media_id})
        spent = time.monotonic() - begun
        assert answer.status_code == 202, answer.text
        assert product.http.get("/health").json() == {"status": "degraded"}
    finally:
        nats.start()
    assert spent < 5, "the contract's bound of a second is held in test_broker_outages"
    alice.completes(answer.json()["id"])


def test_one_request_id_tells_the_whole_story(product: Product) -> None:
    product.start()
    alice = Person(product)
    media_id = alice.find("last+night+tram")
    answer = alice.raw("POST", "/downloads/start", {"media_id": media_id}, **{"X-Request-ID": "req-12345"})
    assert answer.headers["X-Request-ID"] == "req-12345"
    assert alice.completes(answer.json()["id"])["request_id"] == "req-12345"
    for component in ("scout", "hunter"):
        assert "req-12345" in product.log(component), component


def test_a_followed_series_downloads_its_new_episode_without_a_hand(product: Product) -> None:
    """Only the follow is somebody's; the relay starts once the dates are read, so that nobody waits for its next minute."""
    product.start("web", "scout", "hunter")
    alice = Person(product)
    product.demo.add_episode("cats", 3, 1, timezone.now().date())
    media_id = alice.find("harbour+cats")
    alice.call("POST", "/follows", media_id=media_id, what="future")
    until(lambda: Schedule.objects.filter(media_id=media_id).exists(), 30, "the dates")
    product.start("relay")
    (started,) = until(lambda: alice.call("GET", "/downloads")["results"], 60, "the download")
    alice.completes(started["id"])
    (file,) = alice.call("GET", "/library")["results"]
    assert file["path"] == "Series/Harbour Cats (2022)/Season 03/Harbour Cats - S03E01.mp4"
    assert alice.call("GET", "/wanted")["total"] == 0


def test_strangers_get_nothing_of_it(product: Product) -> None:
    product.start("web", "scout", "hunter", "relay")
    alice, mallory = Person(product), Person(product, "mallory")
    started = alice.call("POST", "/downloads/start", media_id=alice.find("last+night+tram"))
    path = f"/downloads/{started['id']}"
    for method, address in [
        ("GET", path), ("POST", f"{path}/pause"), ("POST", f"{path}/resume"), ("POST", f"{path}/retry"),
        ("DELETE", path), ("GET", f"{path}/files"), ("GET", f"{path}/files/0/stream"),
        ("GET", f"/jobs/{started['job_id']}"),
    ]:  # fmt: skip
        assert mallory.raw(method, address).status_code == 403, (method, address)
        assert product.http.request(method, address).status_code == 401, (method, address)
    assert alice.completes(started["id"])


def test_sigterm_hands_everything_over_and_exits_0(product: Product) -> None:
    product.demo.set_rate(300_000)
    product.start()
    alice = Person(product)
    started = alice.call("POST", "/downloads/start", media_id=alice.find("last+night+tram"))
    until(lambda: alice.download(started["id"])["phase"] == "downloading", 30, "downloading")
    for name in ("hunter", "scout", "bot", "relay", "web"):
        assert product.stop(name) == 0, f"{name}: {product.log(name)[-1500:]}"
    product.demo.set_rate(0)
    product.start()
    alice.completes(started["id"])
