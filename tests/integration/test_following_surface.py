"""Following over REST, on pages and as a calendar."""

from collections.abc import Callable
from typing import Any

import icalendar
import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from apps.accounts import api_keys
from apps.accounts.models import AuditEntry, User
from apps.downloads.following.models import CalendarAddress, Follow
from apps.downloads.models import Phase, QualityProfile
from apps.downloads.profiles import services as profiles
from apps.jobs.models import Job
from apps.media.models import Episode, Schedule
from tests.cast import Api
from tests.factories import PASSWORD
from tests.integration.test_following import DAY, film, follow, have, offer, series, today
from tests.wishes import make_media

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
Clients = Callable[[User | None], Api]


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice, "apps.accounts.authentication.EmailOrUsernameBackend")
    return client


# --- REST --------------------------------------------------------------------------------------------------------------


def test_following_twice_is_following_once(
    api: Clients, alice: User, mallory: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    media, moment = make_media("Some Series", kind="tv"), timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)  # dates are read once an hour: none ends meanwhile
    body = {"media_id": media.pk, "what": "season", "season": 2}
    first, again = (api(alice).post("/follows", body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert [job.payload for job in Job.objects.filter(kind="schedule")] == [{"media_id": media.pk}]
    (row,) = api(alice).get("/follows").json()["results"]
    assert (row["what"], row["season"], row["media"]["title"]) == ("season", 2, "Some Series")
    assert api(mallory).get("/follows").json()["total"] == 0
    assert api(mallory).delete(f"/follows/{row['id']}").status_code == 403
    assert [api(alice).delete(f"/follows/{row['id']}").status_code for _ in range(2)] == [204, 404]
    noted = list(AuditEntry.objects.filter(action__startswith="follow.").order_by("id"))
    assert [(entry.action, entry.target, entry.details["season"]) for entry in noted] == [
        ("follow.added", "Some Series", 2), ("follow.removed", "Some Series", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("movie", {"what": "film"}, 201), ("movie", {"what": "all"}, 400), ("tv", {"what": "film"}, 400),
        ("tv", {"what": "all", "season": 1}, 400), ("tv", {"what": "season"}, 400), ("tv", {"what": "season", "season": 0}, 201),
        ("tv", {"what": "everything"}, 400), ("tv", {}, 400), ("tv", {"what": "all", "media_id": 2**62}, 404),
    ],
)  # fmt: skip
def test_what_can_be_followed(api: Clients, alice: User, kind: str, body: dict[str, Any], status: int) -> None:
    media = make_media(kind=kind)
    assert api(alice).post("/follows", {"media_id": media.pk, **body}).status_code == status
    assert Follow.objects.count() == (status == 201)


def fill(user: User, number: int) -> None:
    """One followed series with an episode that is wanted, and a followed film that is there in a low quality; both by one of
    several profiles."""
    profile, _ = QualityProfile.objects.get_or_create(name=f"Copy {number % 5}", settings={})
    media = make_media(f"Series {number}", 1000 + number, kind="tv")
    Episode.objects.create(media=media, season=1, number=1, air_date=today(), tmdb_id=1)
    seen = film(number)
    for title, what in ((media, "all"), (seen, "film")):
        Follow.objects.create(user=user, media=title, what=what, profile=profile)
    low = offer(seen, f"Film.{number}.2021.480p.DVDRip.x264-X")
    have(user, seen, Phase.DONE, torrent=low, completed_at=timezone.now(), profile=profile, copy=profile.pk)


@pytest.mark.parametrize(
    ("path", "statements", "rows"),
    [("/follows", 1, 2), ("/wanted", 1, 1), ("/wanted/cutoff", 3, 1), ("/calendar", 1, 1)],
)
def test_lists_take_as_many_statements_however_long(
    api: Clients, alice: User, path: str, statements: int, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client, more = api(alice), {"first": str(today())} if path == "/calendar" else {"limit": 100}
    for number in range(50):
        fill(alice, number)
        if number in (0, 49):
            client.get(path, **more)  # profiles are read once a version
            with django_assert_num_queries(statements + 1):  # one asks who is signed in
                assert len(client.get(path, **more).json()["results"]) == rows * (number + 1)
    if path != "/calendar":
        assert len(client.get(path, limit=20, page=1 + 50 * rows // 20).json()["results"]) == 50 * rows % 20


def test_what_is_there_but_not_good_enough(api: Clients, alice: User) -> None:
    good, low, other = (film(number) for number in range(3))
    for media, name in ((good, "2021.2160p.Remux"), (low, "2021.720p.HDTV.x264-X"), (other, "2021.480p.DVDRip.x264-X")):
        have(alice, media, Phase.DONE, torrent=offer(media, f"Film.{name}"), completed_at=timezone.now())
    for media in (good, low):
        follow(alice, media, "film")
    held = series(today(), today(), tmdb_id=7)
    follow(alice, held, "missing")
    have(
        alice, held, Phase.DONE, target="s01e01", season=1, episode=1, torrent=offer(held, "Some.Series.S01E01.480p-X")
    )
    found = api(alice).get("/wanted/cutoff").json()["results"]
    titles = {row["title"]: row["quality"] for row in found}
    assert titles.pop("Film 1") == "HDTV-720p"
    assert not {"Film 2", "Some Series"} & titles.keys(), (
        "neither what is not followed, nor where only what is missing is"
    )


def test_what_is_there_stands_beside_what_is_wanted(browser: Client, api: Clients, alice: User, admin: User) -> None:
    media = film()
    follow(alice, media, "film")
    have(alice, media, Phase.DONE, torrent=offer(media, "Film.2021.720p.HDTV.x264-X"), completed_at=timezone.now())
    facts = ("quality", "score", "wanted_quality", "wanted_score", "profile")
    (row,) = api(alice).get("/wanted/cutoff").json()["results"]
    assert [row[name] for name in facts] == ["HDTV-720p", None, "Bluray-1080p", None, "Default"]
    tiers = [{"name": name, "qualities": [name]} for name in ("Remux-1080p", "WEBDL-1080p", "HDTV-720p")]
    wish = {"name": "Web", "settings": {"tiers": tiers, "cutoff": "WEBDL-1080p"}}
    profiles.make_default(profiles.create(wish, admin).pk, admin)
    (row,) = api(alice).get("/wanted/cutoff").json()["results"]
    assert [row[name] for name in facts] == ["HDTV-720p", None, "WEBDL-1080p", None, "Web"]
    page = browser.get("/app/wanted/cutoff", headers={"Accept-Language": "fr"}).content.decode()
    assert "Voulu\xa0: <b>WEBDL-1080p</b>" in page
    assert "(profil «\xa0Web\xa0»)" in page


def test_the_calendar_tells_days_and_states(api: Clients, alice: User, mallory: User) -> None:
    day = today()
    media = series(*(day + number * DAY for number in (-2, -1, 0, 3, 40)))
    follow(alice, media, "all")
    have(alice, media, Phase.DONE, season=1, episode=1, target="s01e01")
    have(alice, media, Phase.DOWNLOADING, season=1, episode=2, target="s01e02")
    home = film()
    Schedule.objects.filter(media=home).update(cinema_on=day - 9 * DAY, digital_on=day + 2 * DAY)
    follow(alice, home, "film")
    first = str(day - 3 * DAY)
    rows = api(alice).get("/calendar", first=first).json()["results"]
    assert [(row["code"] or row["kind"], row["state"]) for row in rows] == [
        ("S01E01", "here"), ("S01E02", "coming"), ("S01E03", "missing"), ("digital", "later"), ("S01E04", "later"),
    ]  # fmt: skip
    assert api(mallory).get("/calendar", first=first).json()["results"] == []
    for bad in ({"first": "soon"}, {"first": first, "last": "2020-01-01"}, {"first": first, "last": "2999-01-01"}):
        assert api(alice).get("/calendar", **bad).status_code == 400


# --- the calendar's address --------------------------------------------------------------------------------------------


def test_the_feed_is_a_calendar_of_rfc_5545(api: Clients, alice: User) -> None:
    title = 'Søme, "Series"; with\\signs ' + "ü" * 60
    media = make_media(title, kind="tv")
    Schedule.objects.create(media=media, read_at=timezone.now())
    follow(alice, media, "all")
    day = today()
    Episode.objects.create(
        media=media, season=1, number=2, air_date=day, title="One, two", overview="First.\nSecond; third.", tmdb_id=1
    )
    url = api(alice).post("/calendar/address").json()["url"]
    answer = api(None).get(url.partition("3000")[2] or url)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    raw = answer.content
    assert raw.endswith(b"\r\n")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert all(len(line) <= 75 for line in raw.split(b"\r\n")), "folded by bytes"
    (event,) = icalendar.Calendar.from_ical(raw).walk("VEVENT")
    assert str(event["summary"]) == f"{title} · S01E02 · One, two"
    assert str(event["description"]) == "First.\nSecond; third."
    assert (event.decoded("dtstart"), event.decoded("dtend")) == (day, day + DAY)
    assert event.decoded("dtstamp") == Schedule.objects.get().read_at.replace(microsecond=0)
    assert str(event["uid"]) == f"{media.pk}-s01e02@localhost"
    # The same thing on another day is the same entry.
    Episode.objects.update(air_date=day + DAY)
    (moved,) = icalendar.Calendar.from_ical(api(None).get(url.partition("3000")[2] or url).content).walk("VEVENT")
    assert (moved["uid"], moved.decoded("dtstart")) == (event["uid"], day + DAY)


def test_no_title_begins_a_line_of_the_feed(api: Clients, alice: User) -> None:
    media = make_media("Lamp\rBEGIN:VALARM\x0bX\x85Y\u2028Z \U0001f468\u200d\U0001f469", kind="tv")
    follow(alice, media, "all")
    text = "One\r\nTwo\x0cEND:VEVENT"
    Episode.objects.create(media=media, season=1, number=2, air_date=today(), title=text, overview=text, tmdb_id=1)
    raw = api(None).get("/app" + str(api(alice).post("/calendar/address").json()["url"]).partition("/app")[2]).content
    whole = raw.replace(b"\r\n ", b"").decode()
    assert whole.splitlines() == whole.removesuffix("\r\n").split("\r\n"), "whatever is taken for the end of a line"
    (event,) = icalendar.Calendar.from_ical(raw).walk("VEVENT")
    assert str(event["summary"]).startswith("Lamp BEGIN:VALARM X Y Z \U0001f468\u200d\U0001f469 · S01E02")
    assert str(event["description"]) == "One\nTwo END:VEVENT"


def test_a_feed_without_entries_is_a_calendar_all_the_same(api: Clients, alice: User) -> None:
    raw = api(None).get("/app" + str(api(alice).post("/calendar/address").json()["url"]).partition("/app")[2]).content
    assert [part.name for part in icalendar.Calendar.from_ical(raw).subcomponents] == ["VTIMEZONE"], (
        "one, with nothing to show"
    )
    assert b"TZOFFSETTO:+0000" in raw
    follow(alice, series(today()), "all")
    raw = api(None).get("/app" + str(api(alice).post("/calendar/address").json()["url"]).partition("/app")[2]).content
    assert [part.name for part in icalendar.Calendar.from_ical(raw).subcomponents] == ["VEVENT"]


def test_only_the_newest_address_leads_anywhere(api: Clients, alice: User, mallory: User) -> None:
    def path() -> str:
        return "/app" + str(api(alice).post("/calendar/address").json()["url"]).partition("/app")[2]

    old, new = path(), path()
    stranger = api(None)
    assert [stranger.get(address).status_code for address in (old, new)] == [404, 200]
    assert new.rpartition("=")[2] not in str(CalendarAddress.objects.values()), "kept as a digest"
    assert api(mallory).delete("/calendar/address").status_code == 204
    assert stranger.get(new).status_code == 200, "nobody ends somebody else's"
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert stranger.get(new).status_code == 404
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert api(alice).delete("/calendar/address").status_code == 204
    assert stranger.get(new).status_code == 404
    actions = AuditEntry.objects.filter(action__startswith="calendar.").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["calendar.address_made"] * 2 + ["calendar.address_revoked"]


def test_a_new_password_ends_the_address_and_a_key_makes_none(api: Clients, alice: User) -> None:
    key = api_keys.create(alice, "television").text
    assert api(None).post("/calendar/address", headers={"X-API-Key": key}).status_code == 403
    assert api(alice).post("/calendar/address").status_code == 201
    body = {"current_password": PASSWORD, "password": "another long one 7"}
    assert api(alice).patch("/user/profile", body).status_code == 200
    assert not CalendarAddress.objects.exists()


# --- pages -------------------------------------------------------------------------------------------------------------


def test_the_button_works_without_script(browser: Client, alice: User) -> None:
    media = series(today(), season=3, slug="a-title")
    page = f"/app/titles/{media.pk}/a-title"
    text = browser.get(page).content.decode()
    assert '<option value="season-3">' in text
    answer = browser.post(
        f"/app/follow/{media.pk}", {"what": "season-3"}, headers={"Referer": f"http://testserver{page}"}
    )
    assert (answer.status_code, answer["Location"]) == (303, page)
    assert "You follow season 3." in browser.get(page).content.decode()
    browser.post(f"/app/follow/{media.pk}/end")
    assert not Follow.objects.exists()


def test_pages_show_what_is_followed_wanted_and_to_come(browser: Client, alice: User) -> None:
    day = today()
    media = series(day, day + DAY)  # one of them in this month, also where it ends meanwhile
    Episode.objects.update(title="<b>Landfall</b>")
    follow(alice, media, "all")
    for path, words in (
        ("/app/calendar", "&lt;b&gt;Landfall"), ("/app/wanted", "S01E01"), ("/app/followed", "all episodes"),
        ("/app/wanted/cutoff", "as good as it should be"), ("/app/calendar?month=2001-02", "Nothing comes out this month"),
        ("/app/calendar?month=x", "Some Series"),
    ):  # fmt: skip
        answer = browser.get(path)
        assert answer.status_code == 200
        assert words in answer.content.decode(), path


def test_the_address_is_shown_once(browser: Client) -> None:
    assert "calendar.ics?token=" in browser.post("/app/calendar/address").content.decode()
    assert "calendar.ics?token=" not in browser.get("/app/calendar").content.decode()


def test_what_is_followed_is_ended_where_it_is_listed(browser: Client, alice: User, bob: User) -> None:
    media = series(today())
    first, second = (follow(alice, media, "season", season=number) for number in (1, 2))
    other = follow(bob, media, "all")
    page = browser.get("/app/followed").content.decode()
    assert f'action="/app/followed/{first.pk}/end"' in page
    assert "Follow no longer" in page
    for _ in range(2):
        answer = browser.post(f"/app/followed/{first.pk}/end")
        assert (answer.status_code, answer["Location"]) == (302, "/app/followed")
    browser.post(f"/app/followed/{other.pk}/end")
    assert set(Follow.objects.values_list("pk", flat=True)) == {second.pk, other.pk}, "that one, and nobody else's"
