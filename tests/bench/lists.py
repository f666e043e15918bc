"""The hot lists over real HTTP with a real token: one uvicorn process of ours, one of FastAPI and asyncpg, 32 connections."""

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack

import orjson

from tests.bench import load, stack
from tests.bench.report import Bar, Figure, progress, tell

PEOPLE, TITLES = 50, 1_000
FAVORITES, DOWNLOADS = 20, 200  # a person
QUERY = "tram"
SLICES, SECONDS = 4, 1.5  # of a round: short turns, so that both see the same of whatever else the machine does
PATHS = {
    "GET /media/favorites (20 joined rows)": "/media/favorites",
    "GET /downloads (100 of 200 rows)": "/downloads?limit=100",
    "GET /search, cached (20 titles)": f"/search?query={QUERY}",
}


def fill(number_of_people: int = PEOPLE, downloads: int = DOWNLOADS) -> list[str]:
    """Rows of so many people, and an access token of each."""
    from apps.accounts import families
    from apps.downloads.models import Download
    from apps.media.models import Favorite, Media
    from tests.factories import make_user

    overview = "A film about the last tram of the night, its driver and whoever still sits in it. " * 4
    Media.objects.bulk_create(
        Media(
            tmdb_id=n, kind="movie", title=f"The Last Night Tram {n}", original_title=f"Dernier tram {n}", year=1950 + n % 70,
            overview=overview, genres=["Drama", "Mystery"], runtime=100, poster_path=f"/p{n}.jpg", slug=f"tram-{n}",
        )
        for n in range(TITLES)
    )  # fmt: skip
    titles = list(Media.objects.order_by("id").values_list("pk", flat=True))
    people = [make_user() for _ in range(number_of_people)]
    for number, user in enumerate(people):
        mine = [titles[(number * 13 + n) % TITLES] for n in range(downloads)]
        Favorite.objects.bulk_create(Favorite(user=user, media_id=media) for media in mine[:FAVORITES])
        Download.objects.bulk_create(
            Download(user=user, media_id=media, phase="done", status="Completed", name=f"Tram.{media}.1080p.WEB-DL")
            for media in mine
        )
    _cache_search()
    return [families.start(user).access for user in people]


def _cache_search() -> None:
    """What a search of a minute ago left in Valkey; the peer finds the same under a key of its own."""
    import redis

    from apps.media import cache, tmdb
    from apps.media.models import Media
    from apps.media.titles import FIELDS, media_json

    rows = [media_json(row) for row in Media.objects.order_by("id").values(*FIELDS)[:20]]
    page = {"results": rows, "page": 1, "limit": 20, "total": 20, "degraded": False}
    cache.save(cache.key_of(QUERY, "", 1, tmdb.language()), page)
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.set(f"bench:{QUERY}", orjson.dumps({"at": time.time(), "page": page}))


def ours(port: int) -> "AbstractContextManager[stack.Process]":
    return stack.manage("serve", "--port", str(port))


def fastapi(port: int) -> "AbstractContextManager[stack.Process]":
    options = ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    return stack.python("-m", "uvicorn", "tests.bench.peers.fastapi_app:app", *options)


def measure() -> Iterator[Figure]:
    tokens = fill()[:16]  # enough for answers to differ
    with ExitStack() as parts:
        servers = [parts.enter_context(stack.listening(start)) for start in (ours, fastapi)]
        for what, path in PATHS.items():
            requests = [load.request("GET", path, token) for token in tokens]
            for port, _ in servers:
                _ = load.closed_loop(port, requests, seconds=1.0).rate  # warm, and every answer is right
            rates: list[list[float]] = [[], []]
            used: list[list[float]] = [[], []]
            for round_ in range(stack.ROUNDS * SLICES):
                if round_ % SLICES == 0:
                    progress(f"  round {round_ // SLICES + 1}: {what}")
                for number, (port, pid) in enumerate(servers):
                    before = stack.cpu(pid)
                    done = load.closed_loop(port, requests, seconds=SECONDS)
                    rates[number].append(done.rate)
                    used[number].append(1000 * (stack.cpu(pid) - before) / len(done.milliseconds))
            peer = "FastAPI, asyncpg"
            yield Figure(what, "requests/s", rates[0], peer, rates[1], Bar(least=1.0))
            yield Figure(f"{what}: processor", "ms a request", used[0], peer, used[1])


def main() -> None:
    with stack.running():
        tell(measure())


if __name__ == "__main__":
    main()
