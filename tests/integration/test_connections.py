"""A process has a few connections to each server and keeps them, however many people ask it for something (plan 6.4)."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.db import connection
from psycopg_pool import PoolTimeout

from apps.accounts.models import User
from apps.jobs import broker
from apps.jobs.models import Job
from apps.media import cache, tmdb
from sokoul.env import ENV
from tests.waiting import until
from tests.web import Web, token_of
from tests.wishes import make_media

pytestmark = pytest.mark.django_db(transaction=True)
REQUESTS = 50
BESIDE = 2  # connections to PostgreSQL that stand beside the pool: to find out whether it answers


def links(web: Web, server: str) -> set[int]:
    """The ports from which this process is connected with a server (proc_net_tcp(5))."""
    files = set()
    for path in Path(f"/proc/{web.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            files.add(str(path.readlink()))
    remote = f":{urlsplit(os.environ[server]).port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = [row for row in rows if row[2].endswith(remote) and row[3] == "01" and f"socket:[{row[9]}]" in files]
    return {int(row[1].partition(":")[2], 16) for row in mine}


@pytest.fixture
def searching(valkey: str, nats: str, alice: User) -> Callable[[Web], None]:
    """REQUESTS people at once, who each ask for what is in the cache, and for a job: a row and a message."""
    broker.call(broker.declare())
    cache.save(cache.key_of("fifty at once", "", 1, tmdb.language()), {"results": []})
    body, headers = {"media_id": make_media().pk}, {"Authorization": f"Bearer {token_of(alice)}"}

    def ask(web: Web) -> None:
        assert web.get("/search?query=fifty+at+once", headers=headers).json() == {"results": []}
        answer = web.request("POST", "/search", headers=headers, json=body)
        assert answer.status_code == 202, answer.text

    def all_ask(web: Web) -> None:
        with ThreadPoolExecutor(REQUESTS) as crew:
            list(crew.map(ask, [web] * REQUESTS))
        until(lambda: Job.objects.exclude(published_at=None).exists(), what="a job published")

    return all_ask


def test_a_process_has_ten_connections_to_postgresql_and_no_eleventh(transactional_db: None) -> None:
    pool, held = connection.pool, []
    try:
        with suppress(PoolTimeout):
            while len(held) < 2 * ENV.database_pool:
                held.append(pool.getconn(0.5))
        assert 0 < len(held) <= pool.max_size == ENV.database_pool == 10
    finally:
        for link in held:
            pool.putconn(link)


def test_what_a_request_took_it_gives_back(another_web: Callable[..., Web], searching: Callable[[Web], None]) -> None:
    """Of twenty threads ten that kept theirs would leave the others to wait until nobody waits for an answer any more."""
    web = another_web(WEB_THREADS="20")
    searching(web)
    assert len(links(web, "DATABASE_URL")) <= ENV.database_pool + BESIDE


def test_requests_find_the_connections_to_redis_and_nats_that_are_there(
    web: Web, searching: Callable[[Web], None]
) -> None:
    searching(web)
    nats = links(web, "NATS_URL")
    assert len(nats) == 1, "one for the whole process"
    with redis.Redis.from_url(ENV.redis_url) as store:
        before = store.info("stats")["total_connections_received"]
        searching(web)
        made = store.info("stats")["total_connections_received"] - before
    assert made < REQUESTS / 2, "Redis would have seen as many as there were requests"
    assert 0 < len(links(web, "REDIS_URL")) <= ENV.web_threads + BESIDE + 4
    assert links(web, "NATS_URL") == nats
