"""Data written behind the application's back: refused by the database, or left out, logged and told to the admins."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts.damage import CODE
from apps.accounts.models import User
from apps.downloads.models import Candidate, Download, Phase, Torrent, TorrentState
from apps.feed import push
from apps.feed.models import Event
from apps.jobs import services
from tests.cast import Api
from tests.wishes import make_media

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey", "nats")]
Clients = Callable[[User | None], Api]
SOUND = {"index": 0, "path": "film.mkv", "size": 7}


@pytest.fixture
def download(alice: User) -> Download:
    media = make_media()
    torrent = Torrent.objects.create(
        key="k", title="The.Last.Night.Tram.2021", indexer="x", info_hash_v1="ab" * 20, seen_at=timezone.now()
    )
    Candidate.objects.create(media=media, torrent=torrent, score=5, decided_at=timezone.now())
    row = Download.objects.create(
        user=alice, media=media, torrent=torrent, phase=Phase.PAUSED, status="Running", swarm="ab" * 20
    )
    TorrentState.objects.create(download=row, files=[SOUND])
    services.enqueue("scout", "noop", {}, user_id=alice.pk)
    push.notify(alice.pk, "job_failed", "It broke.", job_id="1")
    return row


def write(table: str, column: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s::jsonb", [value])


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("events", "data", "[]"),
        ("jobs", "payload", "null"),
        ("jobs", "result", '"text"'),
        ("torrent_states", "files", '{"a": 1}'),
        ("candidates", "reasons", "7"),
        ("candidates", "rejections", "{}"),
    ],
)
def test_the_database_refuses_json_of_another_shape(download: Download, table: str, column: str, value: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        write(table, column, value)


def files_of(api: Clients, alice: User, download: Download) -> list[Any]:
    answer = api(alice).get(f"/downloads/{download.pk}/files")
    assert answer.status_code == 200
    return [(file["index"], file["path"], file["size"]) for file in answer.json()["results"]]


@pytest.mark.parametrize("junk", ["7", "null", '"text"', "[]", "{}", '{"index": "one", "path": "x", "size": 1}'])
def test_what_no_constraint_can_say_is_left_out_and_told_to_the_admins_once(
    api: Clients, client: Client, alice: User, admin: User, download: Download, junk: str
) -> None:
    write("torrent_states", "files", f'[{junk}, {{"index": 0, "path": "film.mkv", "size": 7}}]')
    for _ in range(2):
        assert files_of(api, alice, download) == [(0, "film.mkv", 7)], "the rest is there"
    [told] = Event.objects.filter(user=admin, type="notification")
    assert told.data["code"] == CODE
    assert (told.data["table"], told.data["row"]) == ("torrent_states", str(download.pk))
    assert not Event.objects.filter(user=alice, data__code=CODE).exists(), "nobody else can do anything about it"
    client.force_login(alice)
    for page in (f"play/{download.pk}/0", f"downloads/{download.pk}", "downloads", "notifications"):
        assert client.get(f"/app/{page}").status_code == 200, page
