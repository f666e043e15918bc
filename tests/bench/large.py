"""Every list of somebody who has 100,000 titles, in an installation that knows 1,000,000 releases: one client, one question
at a time, at the first page, in the middle and at the end.

Which lists there are, the API's description says; the pages of people and of admins are those of `PAGES`.
"""

import os
from collections.abc import Iterator
from http.client import HTTPConnection
from time import perf_counter
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection, models

from tests.bench import stack
from tests.bench.report import Figure, at_most, percentile, progress, tell

if TYPE_CHECKING:
    from apps.accounts.models import User

TITLES = int(os.environ.get("TITLES") or 100_000)
FOLLOWED = TITLES // 200
EACH = 10  # releases of a title; the first one has a hundredth of all
SLICE = 50_000  # rows that a statement makes
OFTEN = 20  # each question
PAGES = (
    "/app/wanted", "/app/calendar", "/app/followed",
    "/app/favourites", "/app/history", "/app/library", "/app/downloads", "/app/notifications", "/dashboard/",
    "/dashboard/media/media/", "/dashboard/downloads/torrent/", "/dashboard/downloads/candidate/",
    "/dashboard/downloads/download/", "/dashboard/jobs/job/", "/dashboard/accounts/auditentry/",
)  # fmt: skip


def multiply(row: models.Model, count: int, **expressions: str) -> None:
    """So many rows like this one, in PostgreSQL itself; an expression may use `n`, which counts them from 0."""
    names, values, constants = [], [], {}
    for field in row._meta.concrete_fields:
        if field.primary_key and field.attname not in expressions and isinstance(field, models.AutoField):
            continue
        names.append(f'"{field.column}"')
        values.append(expressions.get(field.attname, f"%({field.column})s"))
        constants[str(field.column)] = field.get_db_prep_save(field.pre_save(row, True), connection)
    table = row._meta.db_table
    with connection.cursor() as cursor:
        for first in range(0, count, SLICE):
            series = f"generate_series({first}, {min(first + SLICE, count) - 1}) n"
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {series}", constants
            )
        cursor.execute(f"VACUUM ANALYZE {table}")


def fill() -> tuple[str, str, int]:
    """(access token, session's cookie, id of the title with the most releases) of an admin who has everything."""
    from django.conf import settings
    from django.test import Client
    from django.utils import timezone

    from apps.accounts import audit, families
    from apps.accounts.models import Role
    from apps.downloads.models import Candidate, Download, LibraryFile, Torrent
    from apps.feed.models import Event
    from apps.jobs.models import Job
    from apps.media.models import Favorite, Media, Watch
    from tests.factories import make_user

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    now, user = timezone.now(), make_user("admin", role=Role.ADMIN)
    ago, title = "now() - n * interval '1 minute'", f"(SELECT min(id) FROM media) + n %% {TITLES}"
    progress(f"  {TITLES:,} titles")
    film = Media(
        tmdb_id=0,
        kind="movie",
        title="A Tram",
        genres=["Drama"],
        slug="tram",
        year=2001,
        runtime=100,
        overview="o" * 400,
    )
    multiply(film, TITLES, tmdb_id="n", title="'The Last Night Tram ' || n", slug="'tram-' || n", year="1950 + n %% 70")
    first = Media.objects.order_by("pk").values_list("pk", flat=True)[0]
    multiply(Favorite(user=user, media_id=first), TITLES, media_id=title, created_at=ago)
    multiply(
        Watch(user=user, media_id=first, position=5, duration=9, watched_at=now), TITLES, media_id=title, watched_at=ago
    )
    progress(f"  {TITLES * EACH:,} releases")
    release = Torrent(
        key="k", title="r", magnet="magnet:?x", indexer="demo", indexers=["demo"], size=10**9, seen_at=now
    )
    release.parsed = {"resolution": "1080p", "source": "WEB-DL", "codec": "x265", "group": "GRP"}
    multiply(
        release,
        TITLES * EACH,
        key="'url:' || n",
        title=r"'The.Last.Night.Tram.2001.1080p.WEB-DL.x265-G' || n",
        seeders="n %% 900",
    )
    offered = "(SELECT min(id) FROM torrents) + n"
    reasons = [
        {"code": code, "points": 10, "sentence": "A sentence that says why."}
        for code in ("quality", "codec", "seeders", "size")
    ]
    decided = Candidate(media_id=first, torrent_id=0, score=1, reasons=reasons, decided_at=now)
    many = TITLES * EACH // 100
    owner = f"(SELECT min(id) FROM media) + CASE WHEN n < {many} THEN 0 ELSE n / {EACH} END"
    multiply(decided, TITLES * EACH, media_id=owner, torrent_id=offered, score="n %% 1000")
    progress("  what a person has")
    done = Download(
        user=user, media_id=first, name="Tram.1080p", phase="done", status="Completed", progress=100, bytes_total=10**9
    )
    multiply(done, TITLES, media_id=title, torrent_id=offered, created_at=ago)
    filed = LibraryFile(
        user=user, media_id=first, download_id=0, index=0, path="p", size=1, duration=6000.0, video_codec="h264"
    )
    multiply(
        filed, TITLES, media_id=title, download_id="(SELECT min(id) FROM downloads) + n", path="'Tram/' || n || '.mkv'"
    )
    told = Event(
        user=user,
        type="notification",
        data={"code": "download_done", "texts": {"en": "It is there."}, "media_id": first},
    )
    multiply(told, TITLES, at=ago)
    job = Job(
        worker="scout", kind="search", user=user, status="Completed", attempts=1, finished_at=now, published_at=now
    )
    multiply(job, TITLES, id="gen_random_uuid()", created_at=ago, request_id="'r' || n")
    _follow(user, first)
    for _ in range(1_000):
        audit.record("auth.login", "admin", user)
    multiply(make_user("somebody"), 1_000, username="'person' || n", email="'p' || n || '@example.com'", created_at=ago)
    client = Client()
    client.force_login(user)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    return families.start(user).access, cookie, first


def _follow(user: "User", film: int) -> None:
    """FOLLOWED series of 40 episodes, a hundredth of which have not been found yet, and as many films that are there."""
    from django.utils import timezone

    from apps.downloads.following.models import Follow
    from apps.downloads.models import Blocked, Download
    from apps.media.models import Episode, Media, Schedule

    now, age = timezone.now(), "current_date - (n %% 4000)"
    series = Media(tmdb_id=0, kind="tv", title="Series", genres=["Drama"], slug="series", year=2001, runtime=45)
    multiply(series, FOLLOWED, tmdb_id="n", title="'Night Line ' || n", slug="'line-' || n")
    row = Media.objects.filter(kind="tv").order_by("pk")[0].pk
    number, season = "n %% 10 + 1", "n %% 40 / 10 + 1"
    episode = Episode(media_id=row, season=1, number=1, tmdb_id=1, title="An episode", overview="o" * 200)
    multiply(episode, FOLLOWED * 40, media_id=f"{row} + n / 40", season=season, number=number, air_date=age)
    multiply(Schedule(media_id=row, read_at=now), FOLLOWED, media_id=f"{row} + n")
    multiply(Schedule(media_id=film, read_at=now), FOLLOWED, media_id=f"{film} + n", available_on=age)
    multiply(
        Follow(user=user, media_id=row, what="all"),
        FOLLOWED,
        media_id=f"{row} + n",
        created_at="now() - n * interval '1 hour'",
    )
    multiply(Follow(user=user, media_id=film, what="film"), FOLLOWED, media_id=f"{film} + n", created_at="now()")
    there = Download(user=user, media_id=row, season=1, name="Line.S01", phase="done", status="Completed", progress=100)
    whole = FOLLOWED * 4 * 99 // 100
    multiply(
        there,
        whole,
        media_id=f"{row} + n / 4",
        season="n %% 4 + 1",
        target="'s0' || n %% 4 + 1",
        created_at="now()",
        completed_at="now()",
    )
    blocked = Blocked(user=user, media_id=film, key="k", title="Tram.1080p", code="stalled", source="automatic")
    multiply(blocked, FOLLOWED, media_id=f"{film} + n", key="'url:' || n", created_at="now()")


def lists() -> list[str]:
    """The paths of the API's lists, as its description has them."""
    from drf_spectacular.generators import SchemaGenerator

    schema: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    paged = {
        path
        for path, calls in schema["paths"].items()
        for parameter in calls.get("get", {}).get("parameters", ())
        if parameter["name"] == "page"
    }
    return sorted(paged)


class Asking:
    """One person's connection to the server."""

    def __init__(self, port: int, token: str, cookie: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._api, self._page = {"Authorization": f"Bearer {token}"}, {"Cookie": cookie}

    def ask(self, path: str) -> tuple[float, bytes]:
        """Milliseconds, and what was answered. Raises RuntimeError for anything but 200."""
        began = perf_counter()
        self._connection.request("GET", path, headers=self._page if path.startswith(("/app", "/dash")) else self._api)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        return (perf_counter() - began) * 1000, body

    def worst(self, paths: list[str]) -> tuple[float, str]:
        """p95 of the slowest of these paths, and which it is."""
        return max((percentile([self.ask(path)[0] for _ in range(OFTEN)], 95), path) for path in paths)


def addresses(asking: Asking, path: str) -> list[str]:
    """The first page, the one in the middle and the last, of 100 each."""
    if path.startswith(("/app", "/dash")):
        return [path]
    sign = "&" if "?" in path else "?"
    total = orjson.loads(asking.ask(f"{path}{sign}limit=100")[1])["total"]
    last = max(1, -(-total // 100))
    return [f"{path}{sign}limit=100&page={page}" for page in sorted({1, (last + 1) // 2, last})]


def by_user() -> Figure:
    """A person's newest rows by user_id, as the driver sees it: what the plan's chapter 2.3 bounds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT user_id FROM downloads LIMIT 1")
        (user_id,) = cursor.fetchone()
        milliseconds = []
        for _ in range(500):
            began = perf_counter()
            cursor.execute(
                "SELECT id, name, phase FROM downloads WHERE user_id = %s ORDER BY created_at DESC, id DESC LIMIT 20",
                [user_id],
            )
            cursor.fetchall()
            milliseconds.append((perf_counter() - began) * 1000)
    return Figure(f"SELECT by user_id, of {TITLES:,} rows, p95", "ms", [percentile(milliseconds, 95)], bar=at_most(1))


def measure() -> Iterator[Figure]:
    token, cookie, title = fill()
    yield by_user()
    with stack.listening(lambda port: stack.manage("serve", "--port", str(port))) as (port, _):
        asking = Asking(port, token, cookie)
        for template in [*lists(), *PAGES]:
            path = template.replace("{media_id}", str(title))
            if "{" in path or path == "/search":  # /search is TMDB's list
                continue
            paths = addresses(asking, path)
            asking.worst(paths[:1])  # warm
            milliseconds, where = asking.worst(paths)
            progress(f"  {milliseconds:8.1f} ms  {where}")
            yield Figure(f"GET {template}: {TITLES:,} titles, p95", "ms", [milliseconds], bar=at_most(100))


def main() -> None:
    with stack.running():
        tell(measure())


if __name__ == "__main__":
    main()
