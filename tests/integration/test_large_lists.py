"""Lists of those who have much."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.downloads import rows
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
    ],
)
@pytest.mark.django_db
def test_the_rows_of_a_page_far_down_are_found_in_an_index_alone(
    alice: User, listed: Callable[[int, Page], object], index: str
) -> None:
    assert f"Index Only Scan using {index}" in plans(lambda: listed(alice.pk, Page(90, 100)), "OFFSET")
