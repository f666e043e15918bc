"""`make up` as a stranger has it: a clean clone of HEAD, its own environment, no terminal to ask anything of.

All tests share one running stack. Each leaves it running and whole, so that they may run in any order.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from sokoul.env import read_dotenv
from sokoul.stack.embedded import Nats
from sokoul.stack.processes import free_port, started_at
from tests.person import Person
from tests.up import COMPONENTS, ROOT, Up, everyone
from tests.waiting import until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]
BUILDING = 300.0  # seconds for the packages, where none is cached
STEADY = 60.0


class House:
    """The stack of one clone: `start` and `stop` it as a person would; `http` leads to it."""

    def __init__(self, root: Path, data_dir: Path) -> None:
        self.root, self.data_dir = root, data_dir
        self.port = free_port()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)
        self.first_words = ""

    def start(self, which: str, within: float = STEADY) -> None:
        begun = time.monotonic()
        self.up = Up(self.data_dir, ["make", "up"], self.root, PORT=str(self.port), TRUSTED_IPS="127.0.0.1")
        self.up.announced(within)
        print(f"\n{which} `make up`: ready after {time.monotonic() - begun:.1f} s")

    def stop(self) -> None:
        """Ctrl-C in its terminal."""
        begun = time.monotonic()
        self.up.end(signal.SIGINT)
        print(f"\nCtrl-C: ended after {time.monotonic() - begun:.1f} s")

    def is_healthy(self) -> bool:
        try:
            return self.http.get("/health/deep").status_code == 200
        except httpx.TransportError:
            return False

    def answers(self, person: Person, path: str) -> bool:
        return bool(person.raw("GET", path).is_success)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("stranger")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "sokoul")], check=True)
    house = House(folder / "sokoul", folder / "data")
    try:
        house.start("first", BUILDING)
        house.first_words = house.up.said
        yield house
    finally:
        house.stop()
        house.http.close()
        shutil.rmtree(folder)  # its environment has thousands of files


def download(person: Person, title: str) -> str:
    """Search a title, have it downloaded, play it; gives the SHA-256 of what was played."""
    started = person.call("POST", "/downloads/start", media_id=person.find(title))
    person.completes(started["id"])
    files = person.call("GET", "/library")["results"]
    (file,) = [row for row in files if row["download_id"] == started["id"]]
    return hashlib.sha256(person.raw("GET", file["stream_url"]).content).hexdigest()


def filed(house: House) -> set[str]:
    videos = (path for path in (house.data_dir / "library").rglob("*") if path.is_file())
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in videos}


def test_stack_json_leads_to_every_part(house: House) -> None:
    path = house.data_dir / "run" / "stack.json"
    assert path.stat().st_mode & 0o777 == 0o600
    stack = json.loads(path.read_text())
    assert list(stack) == COMPONENTS
    assert all(started_at(part["pid"]) and set(part) == {"pid", "url"} for part in stack.values())
    assert len({part["pid"] for part in stack.values()}) == len(COMPONENTS)
    with psycopg.connect(stack["postgres"]["url"]) as link:
        assert link.execute("SELECT count(*) FROM users WHERE role = 'admin'").fetchone() == (1,)
    with redis.Redis.from_url(stack["valkey"]["url"]) as cache:
        assert cache.ping()
    assert Nats(house.data_dir / "nats").answers()
    assert httpx.get(f"{stack['web']['url']}/health").json() == {"status": "ok"}
    assert {stack[name]["url"] for name in ("scout", "hunter", "bot", "relay")} == {None}


def test_the_admin_can_sign_in_with_the_password_that_was_shown_once(house: House) -> None:
    (line,) = [line for line in house.first_words.splitlines() if "password, shown only now: " in line]
    answer = house.http.post("/auth/login", json={"username": "admin", "password": line.rpartition(" ")[2]})
    assert answer.status_code == 200, answer.text
    secrets = read_dotenv(house.data_dir / ".env")
    assert len(secrets["JWT_SECRET"]) >= 32
    assert not [path for path in house.root.glob(".env") if path.is_file()], "the checkout's own is the operator's"


def test_the_main_job_is_done_also_by_those_who_were_restarted(house: House) -> None:
    person = Person(house, "alice")
    assert download(person, "last+night+tram") in filed(house)
    for name in ("web", "scout", "hunter", "bot", "relay", "valkey", "nats", "postgres"):
        old = house.up.pid(name)
        os.kill(old, signal.SIGKILL)
        until(lambda name=name, old=old: house.up.replaced(name, old), STEADY, f"a new {name}")  # type: ignore[misc]
        until(house.is_healthy, STEADY, f"health after the end of {name}")
        until(lambda: house.answers(person, "/library"), STEADY, "an answer")
    assert download(person, "snail+express") in filed(house)


def test_ctrl_c_ends_all_of_it_and_make_up_has_it_all_again(house: House) -> None:
    person = Person(house, "bob")
    played = download(person, "last+night+tram")
    urls = {name: house.up.url(name) for name in COMPONENTS}
    house.stop()
    assert "Stopped." in house.up.said
    assert everyone(house.data_dir) == []
    assert not (house.data_dir / "run" / "stack.json").exists()
    house.start("second")
    assert {name: house.up.url(name) for name in COMPONENTS} == urls
    assert "shown only now" not in house.up.said
    (file,) = person.call("GET", "/library")["results"]
    assert hashlib.sha256(person.raw("GET", file["stream_url"]).content).hexdigest() == played
