"""The notifier in this process, and what stands at the far ends of channels: a mail server and a web server."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from sokoul.stack.processes import free_port
from tests.integration.jobs import kit

WINDOW = 1.0  # seconds in which a channel takes three messages


def working(monkeypatch: pytest.MonkeyPatch, slots: int = 4) -> Iterator[None]:
    """The worker on an empty queue, and the relay, which brings what waits in its row; all waits are short."""
    from apps.accounts.channels import carrying, door
    from apps.jobs import broker, relay, streams
    from apps.jobs.worker import Worker

    monkeypatch.setattr(door, "SILENCE", 0.05)
    monkeypatch.setattr(carrying, "WINDOW", timedelta(seconds=WINDOW))
    monkeypatch.setattr(relay, "POLL", 0.1)
    broker.call(broker.declare())
    for stream in streams.STREAMS:
        broker.call(broker.purge(stream.name))
    worker = Worker("notifier", slots, delays=kit.DELAYS, drain=5.0)
    worker.start()
    over = threading.Event()
    relaying = threading.Thread(target=relay.Relay().run, args=(over,))
    relaying.start()
    yield
    over.set()
    relaying.join()
    worker.stop()


@pytest.fixture
def notifier(transactional_db: None, valkey: str, nats: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from working(monkeypatch)


class Mailbox:
    """A mail server: `answer` is what it says to RCPT or to the message (by `at`), `hang` makes it say nothing."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.hang = False
        self.asked = 0
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked += 1
        while self.hang:  # noqa: ASYNC110 - ended from another thread
            await asyncio.sleep(0.02)
        if answer := self.answers.get("RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if answer := self.answers.get("DATA"):
            return answer
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def stop(self) -> None:
        self.hang = False
        self._controller.stop()


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    """The mail server that this process writes to."""
    box = Mailbox()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", box.port, 10
    yield box
    box.stop()


class Receiver:
    """A web server that keeps what is posted to it. `status` is what it answers, `hold` an event that it waits for."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.hold: threading.Event | None = None
        self.asked = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.asked += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.hold is not None:
                    receiver.hold.wait(100)
                if receiver.status < 300:
                    receiver.posts.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}/hook/s3cret-path"

    def told(self) -> list[dict[str, Any]]:
        return [orjson.loads(body) for _, body in self.posts]

    def stop(self) -> None:
        if self.hold is not None:
            self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
