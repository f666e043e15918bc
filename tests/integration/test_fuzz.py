"""The API against a fuzzer that has read its description: no 500, and no answer that is not described (SPEC 6).

schemathesis calls every operation of `/schema` with valid and invalid data, at the bounds and at random, as a stranger and as
every role, on rows that are there; it compares each answer with the description: status, content type, headers, body.
`make fuzz` makes many more of the same.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone

from apps.accounts import telegram
from apps.accounts.channels.models import Channel
from apps.accounts.models import Role, User
from apps.downloads.models import STATUS_OF, Candidate, Download, LibraryFile, Phase, Torrent
from apps.feed import push
from apps.jobs import broker, messages, streams
from apps.jobs.models import Job
from apps.media.models import Favorite
from tests.demo import Demo
from tests.factories import make_user
from tests.web import Web, token_of
from tests.wishes import make_media

# `make fuzz` sets them; without, it is short and the same each time.
EXAMPLES, SEED = os.environ.get("FUZZ_EXAMPLES", ""), os.environ.get("FUZZ_SEED", "")
FUZZER = Path(sys.executable).with_name("schemathesis")
# Two of its checks know no rule but the description: valid data may be refused by what JSON Schema cannot say (a name is taken, a
# position lies behind the end), and 0 is as good as false, and a number as a text, for Django REST framework.
UNFIT = "positive_data_acceptance,negative_data_rejection"
# Whoever calls it can call nothing after it: it has a run of its own.
FAREWELL = "user_destroy"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]


@pytest.fixture
def house(another_web: Callable[..., Web], demo: Demo, nats: str) -> Web:
    """A web that has everything it asks for, and queues with something in them."""
    broker.call(broker.declare())
    for stream in streams.STREAMS:
        broker.call(broker.purge(stream.name))
    broker.call(broker.publish([broker.Outgoing("dlq.scout.search", b"{}", {messages.REASON_HEADER: '"broken"'})]))
    telegram.remember_bot(1, "a_bot")
    return another_web(TRUSTED_IPS="127.0.0.1", **demo.env())


def furnish(user: User) -> None:
    """One of everything that a person can have."""
    media = make_media()
    Favorite.objects.create(user=user, media=media)
    torrent = Torrent.objects.create(
        key=f"btih:{'c' * 40}", title="A.Film.2021", info_hash_v1="c" * 40, indexer="one", seen_at=timezone.now()
    )
    Candidate.objects.create(media=media, torrent=torrent, score=1, rejections=[], decided_at=timezone.now())
    for phase in Phase:
        download = Download.objects.create(
            user=user, media=media, phase=phase, status=STATUS_OF[phase], target=uuid.uuid4().hex, torrent=torrent
        )
    LibraryFile.objects.create(user=user, media=media, download=download, index=0, path="A film.mkv", size=4)
    Channel.objects.create(user=user, kind="email", target=user.email, confirmed_at=timezone.now())
    Job.objects.create(worker="scout", kind="search", user=user)
    push.notify(user.pk, "job_failed", "It failed")


def fuzz(web: Web, folder: Path, token: str, *which: str) -> None:
    described = folder / "schema.json"
    described.write_bytes(web.get("/schema", headers={"Accept": "application/vnd.oai.openapi+json"}).content)
    command = [str(FUZZER), "run", str(described), f"--url={web.url}", f"--max-examples={EXAMPLES or 3}", *which]
    command += [f"--exclude-checks={UNFIT}", "--no-color", "--warnings=off", "--continue-on-failure"]
    command += [f"--seed={SEED}"] if SEED else ["--generation-deterministic"]
    command += [f"--header=Authorization: Bearer {token}"] if token else []
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr


@pytest.mark.parametrize("role", ["stranger", *Role.values])
def test_every_answer_is_described(role: str, house: Web, tmp_path: Path) -> None:
    token = ""
    if role != "stranger":
        user = make_user("fuzzer", role=role)
        furnish(user)
        token = token_of(user)
    # Every value at its bounds takes most of the time; an admin may ask for everything that the others may.
    thorough = EXAMPLES or role == Role.ADMIN
    phases = [] if thorough else ["--phases=examples,fuzzing,stateful"]
    fuzz(house, tmp_path, token, f"--exclude-operation-id={FAREWELL}", *phases)
    if token:
        assert house.get("/user/profile", user).status_code == 200, "it ended its own account: the rest was refused"
    if EXAMPLES or role == Role.USER:
        fuzz(house, tmp_path, token, f"--include-operation-id={FAREWELL}")
