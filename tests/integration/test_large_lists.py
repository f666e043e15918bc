"""Lists of those who have much."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads import rows, search
from apps.downloads.models import Blocked, Candidate, Torrent
from apps.jobs import services as jobs
from apps.media import services as media_services
from apps.media.models import Media
from sokoul.api import Page
from sokoul.postgres import counting
from sokoul.postgres.counting import Estimated
from tests.wishes import make_media


@pytest.fixture
def titles(db: None) -> None:
    for number in range(3):
        make_media(f"Title {number}", number)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE media")
    make_media("Title 3", 3)


@pytest.mark.parametrize(("many", "told"), [(3, 3), (4, 4)])
def test_of_many_rows_their_number_is_postgresql_s_of_few_it_is_counted(
    titles: None, monkeypatch: pytest.MonkeyPatch, many: int, told: int
) -> None:
    monkeypatch.setattr(counting, "MANY", many)
    assert Estimated(Media.objects.order_by("pk"), 2).count == told


def test_what_is_filtered_is_counted(titles: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MANY", 1)
    assert Estimated(Media.objects.filter(title="Title 3").order_by("pk"), 2).count == 1


def test_the_rows_of_a_dashboard_s_page_are_found_in_an_index_alone_and_stay_in_order(titles: None) -> None:
    listed = Estimated(Media.objects.order_by("-pk"), 2)
    assert [title.title for title in listed.page(2).object_list] == ["Title 1", "Title 0"]
    assert "Index Only Scan Backward using media_pkey" in plans(lambda: list(listed.page(2).object_list), "OFFSET")


def plans(call: Callable[[], object], which: str = "") -> str:
    """How PostgreSQL would answer what the call asks, if the tables were large; of the statements that have the word."""
    with CaptureQueriesContext(connection) as asked:
        call()
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "indexscan", "sort"):  # what a table of nothing is read by
            cursor.execute(f"SET LOCAL enable_{way} = off")
        found = []
        for sql in (query["sql"] for query in asked.captured_queries if which in query["sql"]):
            cursor.execute(f"EXPLAIN {sql}")
            found += [row[0] for row in cursor.fetchall()]
    return "\n".join(found)


@pytest.mark.parametrize(
    ("listed", "index"),
    [
        (media_services.favorites, "favorites_newest"),
        (media_services.history, "watch_history_newest"),
        (rows.listed, "downloads_newest"),
        (rows.library, "library_files_newest"),
        (jobs.listed, "jobs_newest"),
    ],
)
@pytest.mark.django_db
def test_the_rows_of_a_page_far_down_are_found_in_an_index_alone(
    alice: User, listed: Callable[[int, Page], object], index: str
) -> None:
    assert f"Index Only Scan using {index}" in plans(lambda: listed(alice.pk, Page(90, 100)), "OFFSET")


@pytest.mark.django_db
def test_the_dashboard_finds_the_newest_jobs_in_an_index(admin: User) -> None:
    client = Client(headers={"Accept": "text/html"})
    client.force_login(admin)
    assert "using jobs_latest" in plans(lambda: client.get("/dashboard/jobs/job/"), 'ORDER BY "jobs"."created_at"')


@pytest.mark.django_db
def test_the_pages_of_a_title_s_releases_are_one_order(alice: User) -> None:
    """Scores and seeders tie, a quarter is refused, some are blocked, and some were found for a season, too."""
    title, now = make_media(), timezone.now()
    found = Torrent.objects.bulk_create(
        Torrent(key=f"url:{n}", title=f"R{n}", magnet="magnet:?x", indexer="demo", seeders=n * 7 % 3, seen_at=now)
        for n in range(40)
    )
    no = [{"code": "cam", "params": {}, "points": 0}]
    scores = [None if n % 4 == 0 else n % 5 for n in range(40)]
    decided = [
        Candidate(media=title, torrent=torrent, score=score, rejections=[] if score is not None else no, decided_at=now)
        for torrent, score in zip(found, scores, strict=True)
    ]
    again = [Candidate(media=title, torrent=torrent, season=1, rejections=no, decided_at=now) for torrent in found[::3]]
    Candidate.objects.bulk_create([*decided, *again])
    blocked = {found[n].pk for n in (3, 9, 21)}
    Blocked.objects.bulk_create(
        Blocked(user=alice, media=title, torrent_id=pk, key=f"id:{pk}", code="stalled", source="by hand")
        for pk in blocked
    )
    points = [None if torrent.pk in blocked else score for torrent, score in zip(found, scores, strict=True)]
    order = sorted(range(40), key=lambda n: (points[n] is None, -(points[n] or 0), -found[n].seeders, n))
    pages = [search.releases_of(title.pk, Page(number, 7), user_id=alice.pk) for number in range(1, 8)]
    shown = [(release["id"], release["score"]) for page in pages for release in page["results"]]
    assert shown == [(found[n].pk, points[n]) for n in order]
    assert [len(page["results"]) for page in pages] == [7, 7, 7, 7, 7, 5, 0]
    assert {page["total"] for page in pages} == {40}
