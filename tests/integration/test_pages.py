"""The pages as a browser without scripts sees them, and the parts of pages that htmx asks for."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads import rows, services
from apps.downloads.models import Candidate, Download, LibraryFile, Phase, Torrent, TorrentState
from apps.feed import push
from apps.jobs.models import Job, Status
from apps.media.models import Favorite, Media, Watch
from tests.demo import Demo
from tests.providers import providers

__all__ = ["providers"]
LISTS = ["/app/downloads", "/app/library", "/app/favourites", "/app/history", "/app/notifications"]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def browser(alice: User) -> Client:
    """Alice's, signed in."""
    client = Client(raise_request_exception=False)
    client.force_login(alice, "apps.accounts.authentication.EmailOrUsernameBackend")
    return client


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def make_title(number: int = 1, **fields: Any) -> Media:
    facts = {"tmdb_id": number, "kind": "movie", "title": f"Title {number}", "year": 2001, "slug": f"title-{number}"}
    return Media.objects.create(**{**facts, "genres": ["Drama"], "details_at": timezone.now(), **fields})


def make_release(media: Media, name: str = "Title.1.2001.1080p-X", score: int | None = 1500, **fields: Any) -> Torrent:
    torrent = Torrent.objects.create(
        key=f"url:{name}", title=name, download_url="http://indexer/1", indexer="Quay", indexers=["Quay"], size=8_000_000,
        seeders=7, seen_at=timezone.now(),
    )  # fmt: skip
    why = {"code": "resolution", "points": 1500, "sentence": "Resolution 1080p."}
    no = {"code": "cam", "sentence": "It was filmed in a cinema (CAM)."}
    facts = {"reasons": [why], "rejections": []} if score is not None else {"reasons": [], "rejections": [no]}
    Candidate.objects.create(media=media, torrent=torrent, score=score, decided_at=timezone.now(), **facts, **fields)
    return torrent


def make_download(user: User, media: Media, phase: Phase = Phase.DONE, **fields: Any) -> Download:
    status = {"done": "Completed", "failed": "Failed", "downloading": "Running", "paused": "Running"}[phase]
    return Download.objects.create(user=user, media=media, phase=phase, status=status, **fields)


def make_everything(user: User, number: int) -> None:
    """One row of each list."""
    media = make_title(number)
    download = make_download(user, media)
    TorrentState.objects.create(download=download, files=[{"index": 0, "path": "film.mp4", "size": 10}])
    LibraryFile.objects.create(
        user=user, media=media, download=download, index=0, path=f"Movies/{number}.mp4", size=10, duration=100.0
    )
    Favorite.objects.create(user=user, media=media)
    Watch.objects.create(user=user, media=media, position=50, duration=100, watched_at=timezone.now())
    push.notify(user.pk, "download_completed", f"“{media.title}” is in your library.", media_id=media.pk)


# Who may come in


@pytest.mark.parametrize(
    "path", ["/app/", *LISTS, "/app/profile", "/app/titles/1/x", "/app/play/1/0", "/app/downloads/1"]
)
def test_a_stranger_is_led_to_the_door_and_back(db: None, path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer["Location"]) == (302, f"/app/login?next={path}")
    part = Client().get(path, headers={**HTMX, "Referer": "http://testserver/app/downloads?page=2"})
    assert (part.status_code, part["HX-Redirect"]) == (200, "/app/login?next=/app/downloads%3Fpage%3D2")
    assert part.content == b""
    foreign = Client().get(path, headers={**HTMX, "Referer": "https://evil.example/app/x"})
    assert foreign["HX-Redirect"] == "/app/login?next=/app/"


def test_somebody_else_s_things_are_not_shown(browser: Client, mallory: User) -> None:
    hers = make_download(mallory, make_title(1, title="Secret"))
    for path in (f"/app/downloads/{hers.pk}", f"/app/play/{hers.pk}/0", f"/app/play/{hers.pk}"):
        answer = browser.get(path)
        assert answer.status_code == 403
        assert "Secret" not in text_of(answer)
        assert "belongs to somebody else" in text_of(answer)
    assert browser.post(f"/app/downloads/{hers.pk}/remove", headers=HTMX).status_code == 403
    for path in LISTS:
        assert "Secret" not in text_of(browser.get(path))
    job = Job.objects.create(worker="scout", kind="search", user=mallory)
    assert browser.get(f"/app/releases/{hers.media_id}?job={job.pk}", headers=HTMX).status_code == 403


@pytest.mark.parametrize("path", ["/app/downloads/start/1", "/app/favourites/1", "/app/watched/1", "/app/profile"])
def test_a_foreign_page_cannot_press_our_buttons(alice: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, "apps.accounts.authentication.EmailOrUsernameBackend")
    answer = client.post(path, {"liked": "1", "position": "1", "duration": "2", "language": "fr"})
    assert answer.status_code == 403
    assert "reload it" in text_of(answer)


@pytest.mark.parametrize("path", ["/app/favourites/1", "/app/downloads/1/pause", "/app/notifications/read"])
def test_looking_changes_nothing(browser: Client, path: str) -> None:
    assert browser.get(path).status_code == 405


# Lists


@pytest.mark.parametrize("path", ["/app/", *LISTS])
def test_an_empty_list_says_what_to_do(browser: Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert 'class="empty"' in text_of(answer)


def queries(call: Callable[[], Any]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert call().status_code == 200
    return len(seen)


@pytest.mark.parametrize("path", ["/app/", *LISTS, "/app/titles/{}/title-1", "/app/play/{}/0"])
def test_a_page_asks_the_database_as_often_for_many_rows_as_for_one(browser: Client, alice: User, path: str) -> None:
    make_everything(alice, 1)
    media = Media.objects.get()
    make_release(media)
    path = path.format(media.pk if "titles" in path else Download.objects.get().pk)
    one = queries(lambda: browser.get(path))
    for number in range(2, 32):
        make_everything(alice, number)
        make_release(media, f"Title.1.2001.1080p-{number}")
    assert queries(lambda: browser.get(path)) == one <= 14


def test_search_results_ask_the_database_as_often_for_many_as_for_one(providers: Demo, browser: Client) -> None:
    few, many = "/app/?q=tram", "/app/?q=the"
    browser.get(few), browser.get(many)  # into the cache
    assert queries(lambda: browser.get(few)) == queries(lambda: browser.get(many)) <= 6
    assert text_of(browser.get(many)).count('class="card"') > 5


@pytest.mark.parametrize("path", LISTS)
def test_a_list_has_pages(browser: Client, alice: User, path: str) -> None:
    for number in range(25):
        make_everything(alice, number)
    first, second = text_of(browser.get(path)), text_of(browser.get(f"{path}?page=2"))
    assert "Page 1 of 2" in first
    assert 'href="?page=2"' in first
    assert "Page 2 of 2" in second
    assert len(re.findall(r"Title \d+", second)) < len(re.findall(r"Title \d+", first))
    for odd in ("0", "x", "-1", "9" * 20, ""):
        assert "Page 1 of 2" in text_of(browser.get(path, {"page": odd}))


def test_one_continues_what_one_has_begun(browser: Client, alice: User) -> None:
    make_everything(alice, 1)
    assert "Continue at 0:50" in text_of(browser.get("/app/library"))
    assert "Go on watching" in text_of(browser.get("/app/"))
    Watch.objects.update(position=99)
    assert "Continue at" not in text_of(browser.get("/app/library"))
    assert "Go on watching" not in text_of(browser.get("/app/"))


# A title


def test_a_title_has_one_address(browser: Client) -> None:
    media = make_title(1, slug="été-2015")
    wanted = f"/app/titles/{media.pk}/%C3%A9t%C3%A9-2015"
    for other in (f"/app/titles/{media.pk}", f"/app/titles/{media.pk}/wrong", f"/app/releases/{media.pk}"):
        answer = browser.get(other)
        assert (answer.status_code, answer["Location"]) == (302, wanted)
    assert browser.get(wanted).status_code == 200
    assert browser.get("/app/titles/77/none").status_code == 404


def test_releases_stand_with_their_reasons_accepted_ones_first(browser: Client) -> None:
    media = make_title()
    make_release(media, "Title.1.2001.CAM-Y", score=None)
    make_release(media)
    page = text_of(browser.get(f"/app/titles/{media.pk}/title-1"))
    assert page.index("Title.1.2001.1080p-X") < page.index("Title.1.2001.CAM-Y")
    assert "Resolution 1080p." in page
    assert "+1500" in page
    assert "It was filmed in a cinema (CAM)." in page
    assert page.count("Download this") == 1


def test_a_search_is_waited_for_and_then_shown(browser: Client, alice: User) -> None:
    media = make_title()
    waiting = text_of(browser.post(f"/app/releases/{media.pk}/find", headers=HTMX))
    job = Job.objects.get(user=alice)
    assert f'data-job="{job.pk}"' in waiting
    asked = f"/app/releases/{media.pk}?job={job.pk}"
    assert browser.get(asked, headers=HTMX).status_code == 204
    make_release(media)
    Job.objects.update(status=Status.COMPLETED, finished_at=timezone.now(), result={"warnings": ["Quay was slow."]})
    found = text_of(browser.get(asked, headers=HTMX))
    assert "Title.1.2001.1080p-X" in found
    assert "Quay was slow." in found
    assert "data-job" not in found
    Job.objects.update(status=Status.FAILED, error="No indexer is configured.")
    assert "No indexer is configured." in text_of(browser.get(asked, headers=HTMX))


def test_of_a_series_a_season_and_an_episode_are_looked_for(browser: Client, alice: User) -> None:
    media = make_title(1, kind="tv")
    make_release(media, "Title.1.S02E03.1080p-X", season=2, episode=3)
    make_release(media, "Title.1.S01E01.1080p-X", season=1, episode=1)
    browser.post(f"/app/releases/{media.pk}/find", {"season": " 2 ", "episode": "3"}, headers=HTMX)
    assert Job.objects.get().payload == {"media_id": media.pk, "query": "", "season": 2, "episode": 3}
    page = text_of(browser.get(f"/app/releases/{media.pk}?season=2&episode=3", headers=HTMX))
    assert "S02E03" in page
    assert "S01E01" not in page
    browser.post(f"/app/downloads/start/{media.pk}", {"season": "2", "episode": ""})
    assert Download.objects.get().target == "s02"
    for bad in ("-1", "two", "²", "99999"):
        answer = browser.post(f"/app/releases/{media.pk}/find", {"season": bad}, headers=HTMX)
        assert answer.status_code == 400
        assert "whole numbers" in text_of(answer)


# Downloads


def test_a_download_is_started_from_the_title(browser: Client, alice: User) -> None:
    media = make_title()
    torrent = make_release(media)
    answer = browser.post(f"/app/downloads/start/{media.pk}", {"torrent_id": torrent.pk})
    assert (answer.status_code, answer["Location"]) == (302, "/app/downloads")
    download = Download.objects.get()
    assert (download.user_id, download.torrent_id, download.phase) == (alice.pk, torrent.pk, "queued")
    page = text_of(browser.get("/app/downloads"))
    assert "Waiting for its turn" in page
    assert "<progress" in page


def test_what_is_refused_is_said_on_the_page_that_the_form_stood_on(browser: Client, alice: User) -> None:
    media = make_title()
    download = make_download(alice, media, Phase.DOWNLOADING)
    here = f"/app/titles/{media.pk}/title-1"
    said = f"Download {download.pk} of this title is already being downloaded."
    answer = browser.post(
        f"/app/downloads/start/{media.pk}", headers={"Referer": f"http://testserver{here}?page=1"}, follow=True
    )
    assert answer.redirect_chain == [(f"{here}?page=1", 303)]
    assert said in text_of(answer)
    part = browser.post(f"/app/downloads/start/{media.pk}", headers=HTMX)
    assert (part.status_code, part["HX-Retarget"]) == (409, "#toasts")
    assert said in text_of(part)


@pytest.mark.parametrize(
    ("phase", "verb", "after"),
    [
        (Phase.DOWNLOADING, "pause", "Paused"),
        (Phase.PAUSED, "resume", "Waiting for its turn"),
        (Phase.PAUSED, "cancel", "Cancelled by you."),
        (Phase.FAILED, "retry", "Looking for the best release"),
        (Phase.DONE, "delete", "Cancelled"),
    ],
)
def test_the_buttons_of_a_download(browser: Client, alice: User, phase: Phase, verb: str, after: str) -> None:
    download = make_download(alice, make_title(), phase)
    page = text_of(browser.get("/app/downloads"))
    assert f'action="/app/downloads/{download.pk}/{verb}"' in page
    part = browser.post(f"/app/downloads/{download.pk}/{verb}", headers=HTMX)
    assert part.status_code == 200
    assert after in text_of(part)
    again = browser.post(f"/app/downloads/{download.pk}/{verb}", headers=HTMX)
    assert again.status_code in {200, 409}  # pausing twice is fine, cancelling twice removes it, the rest is refused


def test_a_failed_download_leaves_the_list(browser: Client, alice: User) -> None:
    download = make_download(alice, make_title(), Phase.FAILED, reason="Disk full")
    assert "Disk full" in text_of(browser.get("/app/downloads"))
    part = browser.post(f"/app/downloads/{download.pk}/remove", headers=HTMX)
    assert (part.status_code, part.content) == (200, b"")
    assert not Download.objects.exists()
    assert browser.post("/app/downloads/1/juggle", headers=HTMX).status_code == 404


# Library and player


def test_the_player_knows_where_one_stopped(browser: Client, alice: User) -> None:
    make_everything(alice, 1)
    file = LibraryFile.objects.get()
    page = text_of(browser.get(f"/app/play/{file.download_id}/0"))
    assert f'src="/downloads/{file.download_id}/files/0/stream"' in page
    assert 'data-position="50.000"' in page
    assert browser.get(f"/app/play/{file.download_id}")["Location"] == f"/app/play/{file.download_id}/0"
    assert browser.get(f"/app/play/{file.download_id}/9").status_code == 404


def test_a_player_page_speaks_numbers_that_every_browser_reads(browser: Client, alice: User) -> None:
    make_everything(alice, 1)
    User.objects.update(language="fr")
    page = text_of(browser.get(f"/app/play/{Download.objects.get().pk}/0"))
    assert '<html lang="fr">' in page
    assert 'data-position="50.000"' in page  # in French text it would be 50,000


def test_nothing_is_played_before_it_is_known_what_there_is(browser: Client, alice: User) -> None:
    download = make_download(alice, make_title(), Phase.DOWNLOADING)
    answer = browser.get(f"/app/play/{download.pk}")
    assert answer.status_code == 409
    assert "not known yet" in text_of(answer)


def test_how_far_one_came_is_kept(browser: Client, alice: User) -> None:
    media = make_title()
    where = f"/app/watched/{media.pk}"
    assert browser.post(where, {"position": "12.5", "duration": "64"}).status_code == 204
    assert Watch.objects.get().position == 12.5
    endless = {"position": "9", "duration": "inf"}
    for bad in ({"position": "nan", "duration": "64"}, {"position": "x", "duration": "64"}, {"position": "9"}, endless):
        assert browser.post(where, bad, headers=HTMX).status_code == 400
    assert Watch.objects.get().position == 12.5


# Favourites, notifications, profile


def test_the_heart(browser: Client, alice: User) -> None:
    media = make_title()
    part = browser.post(f"/app/favourites/{media.pk}", {"liked": "1", "title": media.title}, headers=HTMX)
    assert 'aria-pressed="true"' in text_of(part)
    assert Favorite.objects.filter(user=alice, media=media).exists()
    assert "Title 1" in text_of(browser.get("/app/favourites"))
    answer = browser.post(
        f"/app/favourites/{media.pk}", {"liked": "0"}, headers={"Referer": "http://testserver/app/favourites"}
    )
    assert (answer.status_code, answer["Location"]) == (303, "/app/favourites")
    assert not Favorite.objects.exists()


def test_the_bell_counts_what_was_not_read(browser: Client, alice: User, mallory: User) -> None:
    for number in range(2):
        push.notify(alice.pk, "download_failed", f"Film {number} failed.")
    push.notify(mallory.pk, "download_failed", "Secret failed.")
    page = text_of(browser.get("/app/library"))
    assert 'data-unread="2"' in page
    first = re.findall(r'name="id" value="(\d+)"', text_of(browser.get("/app/notifications")))[0]
    part = text_of(browser.post("/app/notifications/read", {"id": first}, headers=HTMX))
    assert 'data-unread="1"' in part
    browser.post("/app/notifications/read")
    assert 'data-unread="0"' in text_of(browser.get("/app/library"))
    assert 'data-unread="1"' not in text_of(browser.get("/app/notifications"))


def test_the_profile_decides_the_language(browser: Client) -> None:
    assert "Profile" in text_of(browser.get("/app/profile"))
    assert browser.post("/app/profile", {"language": "fr"}).status_code == 302
    page = text_of(browser.get("/app/profile", headers={"Accept-Language": "en"}))
    assert '<html lang="fr">' in page
    assert "Se déconnecter" in page
    refused = browser.post("/app/profile", {"language": "xx"}, headers={"Referer": "http://testserver/app/profile"})
    assert refused.status_code == 303
    assert User.objects.get().language == "fr"


def test_a_browser_that_asks_for_french_gets_it(db: None) -> None:
    assert "Se connecter" in text_of(Client().get("/app/login", headers={"Accept-Language": "fr-FR,fr;q=0.9"}))


# When something goes wrong


def test_tmdb_away_is_said_and_known_titles_are_shown(providers: Demo, browser: Client) -> None:
    make_title(1, title="The Known One")
    providers.misbehave("tmdb", "status", code=500)
    page = text_of(browser.get("/app/?q=known"))
    assert "TMDB does not answer" in page
    assert "The Known One" in page


def test_a_database_that_does_not_answer_is_a_page_in_plain_words(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise OperationalError("the server at 10.0.0.1 closed the connection")

    monkeypatch.setattr(rows, "listed", down)
    answer = browser.get("/app/downloads")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The database does not answer" in text_of(answer)
    assert "10.0.0.1" not in text_of(answer)
    part = browser.get("/app/downloads", headers=HTMX)
    assert (part.status_code, part["HX-Retarget"]) == (503, "#toasts")


def test_a_fault_of_ours_tells_the_request_and_no_more(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret is 1234")

    monkeypatch.setattr(services, "owned", broken)
    answer = browser.get("/app/downloads/1", headers={"X-Request-ID": "click-1"})
    assert answer.status_code == 500
    assert "click-1" in text_of(answer)
    assert "1234" not in text_of(answer)


def test_what_is_not_there_is_a_page_for_people_and_a_problem_for_programs(db: None) -> None:
    page = Client().get("/nothing", headers={"Accept": "text/html,*/*"})
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing here" in text_of(page)
    told = Client().get("/nothing")
    assert (told.status_code, told["Content-Type"]) == (404, "application/problem+json")


def test_titles_are_shown_as_text(browser: Client, alice: User) -> None:
    evil = "<img src=x onerror=alert(1)>"
    media = make_title(1, title=evil, overview=evil, genres=[evil], slug="x")
    make_release(media, evil)
    download = make_download(alice, media, Phase.FAILED, reason=evil, name=evil)
    push.notify(alice.pk, "download_failed", evil)
    User.objects.update(username="alice")
    Favorite.objects.create(user=alice, media=media)
    for path in (f"/app/titles/{media.pk}/x", *LISTS, f"/app/downloads/{download.pk}", f"/app/?q={evil}"):
        assert "<img src=x" not in text_of(browser.get(path)), path


def test_no_template_brings_a_script_or_a_style_of_its_own(browser: Client, alice: User) -> None:
    """The policy would refuse them; this finds them without a browser."""
    make_everything(alice, 1)
    media = Media.objects.get()
    for path in ("/app/", *LISTS, "/app/profile", f"/app/titles/{media.pk}/title-1", f"/app/play/{media.pk}/0"):
        page = text_of(browser.get(path))
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page), path
        assert re.findall(r"<script(?![^>]*\ssrc=)", page) == [], path
        assert re.findall(r'(?:src|href|action)="(?:https?:)?//', page) == [], path
