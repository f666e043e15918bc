"""A visit to a running Sokoul, as plan 10.1 and 10.2 want it after each deployment: over HTTP and WebSocket alone.

It makes an account of its own (or uses one that it is given), does what people do, and takes away what it left.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from sokoul import http
from sokoul.errors import SokoulError

EVERY_STATUS = frozenset(range(300, 600))
DEMO_TITLE = "The Last Night Tram"  # the project's own film, which its demo providers offer


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """One line of the report. `ms`: how long it took."""

    check: str
    outcome: Outcome
    ms: int
    detail: str


class Failed(Exception):
    """What was seen is not what should be. The text is for people."""


class Skipped(Exception):
    """It cannot be tried here; the text says why."""


@dataclass
class Visit:
    """`url`: of the deployment. `login` and `password`: of a test account; without them one is made and deleted again.

    `title` is what the main job may download. `patience`: seconds that a job may take. `headers` go with everything that is said.
    """

    url: str
    login: str = ""
    password: str = ""
    title: str = DEMO_TITLE
    patience: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    made: bool = False
    media_id: int = 0
    job_id: str = ""
    download_id: int = 0
    downloaded: bool = False
    found: list[dict[str, Any]] = field(default_factory=list)
    offered: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    socket: ClientConnection | None = None
    open: ExitStack = field(default_factory=ExitStack)

    def call(self, method: str, path: str, body: object = None, **headers: str) -> http.Response:
        """An answer, whatever its status below 500. Raises SokoulError where there is none.

        Where this address has asked too often, it waits as long as it is told, within its patience.
        """
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        until = time.monotonic() + self.patience
        while True:
            answer = self._call(method, path, body, headers)
            wait = answer.headers.get("retry-after", "") if answer.status == 429 else ""
            if not wait.isdigit() or time.monotonic() + int(wait) > until:
                return answer
            time.sleep(int(wait))

    def _call(self, method: str, path: str, body: object, headers: dict[str, str]) -> http.Response:
        host = urlsplit(self.url).hostname or ""
        return http.request(
            method, f"{self.url}{path}", service="Sokoul", headers={**self.headers, **headers}, json=body, seconds=35, trusted=[host],
            answers=EVERY_STATUS,
        )  # fmt: skip

    def expect(self, status: int, method: str, path: str, body: object = None, **headers: str) -> Any:
        """The answer's JSON. Raises Failed where the status is another."""
        answer = self.call(method, path, body, **headers)
        if answer.status != status:
            detail = ""
            with suppress(SokoulError, AttributeError):
                detail = f": {answer.json().get('detail')}"
            raise Failed(f"{method} {path.partition('?')[0]} answered {answer.status} instead of {status}{detail}")
        return answer.json() if answer.body else None

    # Plan 10.1

    def health(self) -> str:
        """GET /health is 200."""
        state = self.expect(200, "GET", "/health")["status"]
        if state != "ok":
            parts = self.call("GET", "/health/deep").json()["components"]
            raise Failed(f"{state}: {', '.join(name for name, part in parts.items() if part['status'] != 'ok')} down")
        return str(state)

    def search(self) -> str:
        """GET /search gives results, or cached ones."""
        found = self.expect(200, "GET", f"/search?query={quote(self.title)}")
        if not found["results"]:
            found = self.expect(200, "GET", "/search?query=test")
        self.found = found["results"]
        if not self.found and not found["degraded"]:
            raise Failed("no title was found for a common word")
        return f"{found['total']} titles{', degraded: TMDB does not answer' if found['degraded'] else ''}"

    def sign_up(self) -> str:
        """Writes an account, unless one was given."""
        if self.login:
            raise Skipped("a test account was given")
        name = f"smoke-{secrets.token_hex(6)}"
        self.password = secrets.token_urlsafe(16)
        account = {"email": f"{name}@example.com", "username": name, "password": self.password}
        self.expect(201, "POST", "/auth/register", account)
        self.login, self.made = name, True
        return name

    def sign_in(self) -> str:
        """The test account signs in and is who it says."""
        by = {"email" if "@" in self.login else "username": self.login}
        self.token = self.expect(200, "POST", "/auth/login", {**by, "password": self.password})["access"]
        profile = self.expect(200, "GET", "/user/profile")
        if self.login.lower() not in {profile["username"].lower(), profile["email"].lower()}:
            raise Failed("the profile is somebody else's")
        return "profile read back"

    def open_socket(self) -> str:
        """/ws accepts and sends its snapshot."""
        self._need_token()
        ticket = self.expect(200, "POST", "/auth/ws-ticket")["ticket"]
        parts = urlsplit(self.url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        address = urlunsplit((scheme, parts.netloc, f"{parts.path}/ws", f"ticket={quote(ticket)}", ""))
        self.socket = self.open.enter_context(
            connect(address, open_timeout=10, close_timeout=2, additional_headers=self.headers)
        )
        if self._received(10)["type"] != "snapshot":
            raise Failed("the first message is no snapshot")
        self.socket.send('{"type": "ping"}')
        self._until(lambda event: event["type"] == "pong", 10, "a pong")
        return "snapshot and pong"

    def write_and_read(self) -> str:
        """A favourite is written, listed, and taken away again."""
        self._need_token()
        self.media_id = self._title()
        self.expect(201, "POST", "/media/favorite", {"media_id": self.media_id})
        listed = self.expect(200, "GET", "/media/favorites")["results"]
        if [row["id"] for row in listed][:1] != [self.media_id]:
            raise Failed("the favourite that was written is not the first of the list")
        self.expect(204, "DELETE", f"/media/favorite/{self.media_id}")
        return listed[0]["title"]  # type: ignore[no-any-return]

    def worker_job(self) -> str:
        """A search job is accepted, run by a worker, told on the socket, and its result visible in the API."""
        self._need_token()
        begun = time.monotonic()
        job_id = self.expect(202, "POST", "/search", {"media_id": self.media_id or self._title()})["job_id"]
        job = self._poll(f"/jobs/{job_id}", lambda row: row["status"] in {"Completed", "Failed"}, "the job's end")
        if job["status"] != "Completed":
            raise Failed(f"the job failed: {job['error']}")
        self.job_id = job_id
        return f"{job['result'].get('found', 0)} releases in {time.monotonic() - begun:.1f} s"

    # Plan 10.2

    def updates(self) -> str:
        """What happened to the job came over the socket."""
        if not self.job_id or self.socket is None:
            raise Skipped("needs the socket and a job that ended")
        self._until(lambda event: event.get("data", {}).get("job_id") == self.job_id, 10, "the job's event")
        return "job.updated received"

    def download(self) -> str:
        """The title that may be downloaded: best release, progress, library."""
        self._need_token()
        if not self.offered:
            raise Skipped(f"“{self.title}” is not offered here; name one that may be downloaded with --title")
        self.download_id = self.expect(202, "POST", "/downloads/start", {"media_id": self.media_id})["id"]
        row = self._poll(
            f"/downloads/{self.download_id}", lambda row: row["status"] in {"Completed", "Failed"}, "its end"
        )
        if row["status"] != "Completed":
            raise Failed(f"the download failed: {row['reason']}")
        self.downloaded = True
        return f"{row['bytes_done']} bytes of {row['name']}"

    def stream(self) -> str:
        """The file plays: its first bytes come as a range."""
        if not self.downloaded:
            raise Skipped("nothing was downloaded")
        files = self.expect(200, "GET", f"/downloads/{self.download_id}/files")
        file = max(files["results"] if isinstance(files, dict) else files, key=lambda file: file["size"])
        answer = self.call("GET", file["stream_url"], Range="bytes=0-1023")
        if answer.status != 206 or len(answer.body) != min(1024, file["size"]):
            raise Failed(f"the stream answered {answer.status} with {len(answer.body)} bytes")
        return str(answer.headers.get("content-type", ""))

    def telegram(self) -> str:
        """The bot can be linked. What it answers is between Telegram and a person, and tested elsewhere."""
        self._need_token()
        offer = self.expect(200, "POST", "/user/telegram/link")
        return "a link was offered" if offer.get("url") else "no link"

    # Looking and leaving

    def leave(self) -> str:
        """Take away what was made."""
        self.open.close()
        if self.download_id:
            self.expect(204, "DELETE", f"/downloads/{self.download_id}?files=true")
        if self.made and self.token:
            self.expect(204, "DELETE", "/user")
            return "the account is deleted"
        return "nothing is left"

    def _need_token(self) -> None:
        if not self.token:
            raise Skipped("needs somebody who is signed in")

    def _title(self) -> int:
        """The wanted title, else any."""
        wanted = [row for row in self.found if row["title"].casefold() == self.title.casefold()]
        self.offered = bool(wanted)
        if not self.found:
            raise Skipped("no title is known here")
        return int((wanted or self.found)[0]["id"])

    def _poll(self, path: str, ended: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        until, pause = time.monotonic() + self.patience, 0.2
        while time.monotonic() < until:
            row: dict[str, Any] = self.expect(200, "GET", path)
            if ended(row):
                return row
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)
        raise Failed(f"{what} did not come within {self.patience:g} s")

    def _received(self, seconds: float) -> dict[str, Any]:
        assert self.socket is not None
        event: dict[str, Any] = json.loads(self.socket.recv(timeout=seconds))
        self.events.append(event)
        return event

    def _until(self, wanted: Callable[[dict[str, Any]], bool], seconds: float, what: str) -> None:
        """Also among what has come already."""
        if any(wanted(event) for event in self.events):
            return
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with suppress(TimeoutError):
                if wanted(self._received(left)):
                    return
        raise Failed(f"{what} did not come over the socket within {seconds:g} s")


Check = tuple[str, Callable[[Visit], str]]
CHECKS: tuple[Check, ...] = (
    ("health", Visit.health),
    ("search", Visit.search),
    ("sign up", Visit.sign_up),
    ("sign in", Visit.sign_in),
    ("socket", Visit.open_socket),
    ("write and read", Visit.write_and_read),
    ("worker job", Visit.worker_job),
    ("socket updates", Visit.updates),
    ("download", Visit.download),
    ("stream", Visit.stream),
    ("telegram link", Visit.telegram),
    ("leave", Visit.leave),
)


def run(visit: Visit) -> Iterator[Result]:
    """Each check's result as it comes; one that fails does not keep the others from being tried."""
    for name, check in CHECKS:
        begun = time.monotonic()
        outcome, detail = Outcome.OK, ""
        try:
            with _faults_told():
                detail = check(visit)
        except Skipped as why:
            outcome, detail = Outcome.SKIPPED, str(why)
        except Failed as why:
            outcome, detail = Outcome.FAILED, str(why)
        yield Result(name, outcome, round((time.monotonic() - begun) * 1000), detail)


@contextmanager
def _faults_told() -> Iterator[None]:
    """Whatever else goes wrong, as one sentence."""
    try:
        yield
    except SokoulError as error:
        raise Failed(error.message) from error
    except (WebSocketException, OSError, TimeoutError) as error:
        raise Failed(f"the socket failed: {type(error).__name__} {error}".strip()) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Failed(f"the answer has not the shape it should have ({type(error).__name__} {error})") from error
