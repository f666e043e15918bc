"""Our server process on both servers, from outside: real sockets, real signals, applications of a few lines."""

import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).parent.parent.parent
SERVERS = ["uvicorn", "daphne"]
DEADLINE = 15.0
QUICK = {
    "header_seconds": 0.5,
    "idle_seconds": 4.0,
    "body": [1024 * 1024, 0.6],
    "bodies": [["/user/avatar", [4 * 1024 * 1024, 10]]],
    "discard_seconds": 5,
    "ping_seconds": 0.3,
    "pong_seconds": 2.0,
    "message_size": 64 * 1024,
}
PATIENT = {
    "body": [1024 * 1024, 60],
    "bodies": [["/user/avatar", [4 * 1024 * 1024, 60]]],
    "message_size": 64 * 1024,
}


class Process:
    """One server process and what it wrote. Times are seconds."""

    def __init__(self, server: str, limits: dict[str, Any], drain: dict[str, Any]) -> None:
        self.server = server
        self._log = tempfile.NamedTemporaryFile(mode="w+")  # noqa: SIM115 (closed by stop)
        arguments = [server, json.dumps(limits), json.dumps(drain)]
        self._popen = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.integration.tiny_server", *arguments],
            cwd=ROOT,
            stderr=self._log,
        )
        self.port = int(self.wait_for(r"serving on http://127\.0\.0\.1:(\d+)")[1])

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first place of the log that matches, once there is one."""
        found: re.Match[str] = until(lambda: re.search(pattern, self.log), f"{pattern!r} in the log")
        return found

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def exit_status(self) -> int:
        return self._popen.wait(DEADLINE)

    @property
    def memory(self) -> int:
        """Bytes that are resident."""
        pages = Path(f"/proc/{self._popen.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        self._popen.kill()
        self._popen.wait()
        self._log.close()

    def get(self, path: str, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)) as connection:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(), response.headers

    def in_background(self, path: str) -> "Background":
        return Background(lambda: self.get(path)[:2])

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def refuses_connections(self) -> bool:
        try:
            self.raw().close()
        except ConnectionRefusedError:
            return True
        return False

    def socket(self, path: str = "/ws") -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}{path}", open_timeout=DEADLINE, close_timeout=1, proxy=None)


class Background:
    """A call on a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], Any]) -> None:
        try:
            self._result = call()
        except Exception as error:
            self._result = error

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(DEADLINE)
        return self._result


def until(condition: Callable[[], Any], what: str) -> Any:
    """The condition's value once it is true; fails after the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"in vain: {what}")


def await_close(peer: socket.socket) -> bytes:
    """Until the server closes the connection; what it sends before."""
    seen = b""
    with suppress(ConnectionResetError):
        while part := peer.recv(65536):
            seen += part
    return seen


@contextmanager
def lasting(at_least: float, at_most: float) -> Iterator[None]:
    """The block takes so many seconds. Begin it before the server's own clock does: its deadlines are then never earlier."""
    began = time.monotonic()
    yield
    assert at_least < time.monotonic() - began < at_most


def everything(peer: socket.socket) -> bytes:
    """All that the server sends until it closes the connection in good order (a reset fails the test)."""
    parts = []
    while part := peer.recv(65536):
        parts.append(part)
    return b"".join(parts)


def until_end(peer: socket.socket, end: bytes = b"0\r\n\r\n") -> bytes:
    """All that the server sends up to this end, by default that of a chunked answer."""
    answer = b""
    while not answer.endswith(end):
        part = peer.recv(65536)
        assert part, f"cut after {answer!r}"
        answer += part
    return answer


def drip(peer: socket.socket, byte: bytes, every: float = 0.1) -> None:
    """Send this byte again and again, until the server ends it."""
    end = time.monotonic() + DEADLINE
    with suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() < end:
            peer.send(byte)
            if select.select([peer], [], [], every)[0]:
                await_close(peer)
                return


def problem_of(answer: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


@pytest.fixture(scope="module", params=SERVERS)
def quick(request: pytest.FixtureRequest) -> Iterator[Process]:
    """A server with deadlines of fractions of a second, shared by the tests that leave it running."""
    process = Process(request.param, QUICK, {})
    yield process
    process.stop()


@pytest.fixture(scope="module", params=SERVERS)
def patient(request: pytest.FixtureRequest) -> Iterator[Process]:
    """The same without the deadlines, for the tests of anything else: a busy machine may hold up any of them."""
    process = Process(request.param, PATIENT, {})
    yield process
    process.stop()


@pytest.fixture(params=SERVERS)
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., Process]]:
    """Start a server of one's own, with patient limits; `drain` are fields of Drain."""
    started: list[Process] = []

    def start(**drain: float) -> Process:
        started.append(Process(request.param, {}, {"announce": 0.3, **drain}))
        return started[-1]

    yield start
    for process in started:
        process.stop()


# Requests and answers


def test_the_environ_tells_who_asked_for_what(patient: Process) -> None:
    with patient.raw() as peer:
        peer.sendall(
            b"GET /environ/caf%C3%A9?q=%20 HTTP/1.1\r\nHost: film.example\r\nCookie: a=1\r\nCookie: b=2\r\nAccept: x\r\n"
            b"Accept: y\r\nX_Forwarded_For: 6.6.6.6\r\nDaphne-Root-Path: /evil\r\nConnection: close\r\n\r\n"
        )
        port = peer.getsockname()[1]
        environ = json.loads(everything(peer).partition(b"\r\n\r\n")[2])
    assert environ["PATH_INFO"] == "/environ/café".encode().decode("latin-1")
    assert environ["SCRIPT_NAME"] == ""
    assert environ["QUERY_STRING"] == "q=%20"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_ACCEPT"] == "x,y"
    assert "HTTP_X_FORWARDED_FOR" not in environ
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("127.0.0.1", str(port))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", str(patient.port))
    assert (environ["wsgi.url_scheme"], environ["SERVER_PROTOCOL"]) == ("http", "HTTP/1.1")


def test_no_server_names_itself_and_each_answer_is_dated(patient: Process) -> None:
    _, _, headers = patient.get("/hello")
    assert "server" not in headers
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers["date"])


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_arrives_whole(patient: Process, chunked: bool) -> None:
    body = os.urandom(1000) * 1000
    with closing(http.client.HTTPConnection("127.0.0.1", patient.port, timeout=DEADLINE)) as connection:
        connection.request("POST", "/echo", body=iter([body]) if chunked else body, encode_chunked=chunked)
        size, _, digest = connection.getresponse().read().decode().partition(" ")
    import hashlib

    assert (int(size), digest) == (len(body), hashlib.sha256(body).hexdigest())


def test_nobody_but_the_application_reads_forms(patient: Process) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", patient.port, timeout=DEADLINE)) as connection:
        connection.request("POST", "/echo", body=b"no form", headers={"Content-Type": "multipart/form-data"})
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("path", ["/fail", "/film/fail"])
def test_an_exception_is_a_500_that_tells_nothing(patient: Process, path: str) -> None:
    status, body, headers = patient.get(path, **{"X-Request-ID": "click-1"})
    assert (status, headers["x-request-id"]) == (500, "click-1")
    assert json.loads(body)["request_id"] == "click-1"
    assert b"secret" not in body
    assert b"Traceback" not in body
    patient.wait_for("RuntimeError: the secret of the database is 1234")


def test_an_exception_in_the_middle_of_an_answer_cuts_it(patient: Process) -> None:
    with patient.raw() as peer:
        peer.sendall(b"GET /fail-late HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = everything(peer)
    assert b"begun" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert b"secret" not in answer


def test_who_goes_away_frees_the_thread_and_the_iterable_is_closed_there(patient: Process) -> None:
    with patient.raw() as peer:
        peer.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.recv(65536)
    assert patient.get("/was-closed")[1] == b"True"


def test_what_a_client_does_not_read_is_not_kept_for_it(patient: Process) -> None:
    before = patient.memory
    with patient.raw() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(b"GET /film/flood HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.recv(100)

        amounts = [-1]

        def stands_still() -> bool:
            amounts.append(int(patient.get("/flooded")[1]))
            return len(amounts) > 10 and len(set(amounts[-10:])) == 1

        until(stands_still, "the flood to stand still")
        assert 0 < amounts[-1] < 32 * 1024 * 1024
        assert patient.memory - before < 32 * 1024 * 1024
    assert patient.get("/hello")[1] == b"hello"  # it does not send to nobody for ever


def test_answers_that_are_not_read_are_not_left_to_the_system_either(quick: Process) -> None:
    """60 of them, asked for at once by a client without room for one: a reset, or the kernel would keep and offer them for minutes."""
    if quick.server == "daphne":
        pytest.skip("closes in good order: the kernel keeps what it has taken")
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        peer.connect(("127.0.0.1", quick.port))
        peer.sendall(b"GET /environ HTTP/1.1\r\nHost: x\r\n\r\n" * 60)
        key = f":{quick.port:04X} 0100007F:{peer.getsockname()[1]:04X} "

        def queued() -> int:
            """Bytes that the server's kernel keeps for this client (proc_net_tcp(5)); -1: it knows of no such connection."""
            rows = Path("/proc/net/tcp").read_text().splitlines()
            return next((int(row.split()[4].partition(":")[0], 16) for row in rows if key in row), -1)

        assert until(lambda: queued() > 10_000, "answers that nobody takes")
        until(lambda: queued() == -1, "the end of the connection")


@pytest.mark.parametrize(("hosts", "status"), [([], 400), (["x"], 200), (["x", "x"], 400), (["x", "y"], 400)])
def test_a_request_says_once_whom_it_is_for(patient: Process, hosts: list[str], status: int) -> None:
    """RFC 9112, section 3.2."""
    with patient.raw() as peer:
        lines = ["GET /hello HTTP/1.1", *(f"Host: {host}" for host in hosts), "Connection: close", "", ""]
        peer.sendall("\r\n".join(lines).encode())
        assert everything(peer).startswith(f"HTTP/1.1 {status} ".encode())


def test_who_speaks_http_1_0_need_not_say_so(patient: Process) -> None:
    with patient.raw() as peer:
        peer.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
        assert b" 200 " in everything(peer).partition(b"\r\n")[0]


def test_rubbish_and_hostile_paths_do_not_hurt(quick: Process) -> None:
    for line in (
        b"\x16\x03\x01\x02",
        b"GET /\xff\xfe HTTP/1.1",
        b"GET  HTTP/1.1",
        b"CONNECT a:1 HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
    ):
        with quick.raw() as peer:
            peer.sendall(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
            await_close(peer)
    assert quick.get("/hello")[1] == b"hello"


# Slow and large clients


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(patient: Process) -> None:
    with patient.raw() as peer:
        peer.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\nExpect: 100-continue\r\n\r\n")
        assert peer.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_everything_first_can_read_the_413(patient: Process, chunked: bool) -> None:
    body = b"x" * (20 * 1024 * 1024)
    with closing(http.client.HTTPConnection("127.0.0.1", patient.port, timeout=DEADLINE)) as connection:
        connection.request("POST", "/echo", body=iter([body]) if chunked else body, encode_chunked=chunked)
        response = connection.getresponse()
        assert (response.status, response.headers["connection"]) == (413, "close")
        assert json.loads(response.read())["status"] == 413


def test_one_byte_more_is_too_much_and_the_limit_is_not(patient: Process) -> None:
    for size, status in ((1024 * 1024, 200), (1024 * 1024 + 1, 413)):
        with closing(http.client.HTTPConnection("127.0.0.1", patient.port, timeout=DEADLINE)) as connection:
            connection.request("POST", "/echo", body=b"x" * size)
            assert connection.getresponse().status == status


def test_the_avatar_may_be_larger_and_slower(quick: Process) -> None:
    with quick.raw() as peer:
        peer.sendall(b"PUT /user/avatar HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\nConnection: close\r\n\r\n")
        for _ in range(10):
            peer.sendall(b"x" * 300_000)
            time.sleep(0.1)  # not waiting for anything: being slower than the 0.6 s of other paths
        assert everything(peer).startswith(b"HTTP/1.1 200 ")


def test_a_slow_body_gets_408(quick: Process) -> None:
    with quick.raw() as peer:
        peer.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        status, problem = problem_of(everything(peer))
    assert (status, problem["status"]) == (408, 408)


def test_a_dripping_body_is_cut_all_the_same(quick: Process) -> None:
    with lasting(0.5, 10), quick.raw() as peer:
        peer.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        drip(peer, b"x")


def test_a_client_that_says_nothing_is_cut(quick: Process) -> None:
    with lasting(0.3, QUICK["idle_seconds"]), quick.raw() as peer:  # type: ignore[arg-type]
        await_close(peer)


@pytest.mark.parametrize("byte", [b"x", b"\n"])
def test_a_client_that_drips_its_headers_is_cut(quick: Process, byte: bytes) -> None:
    with lasting(0.3, 10), quick.raw() as peer:
        peer.sendall(b"" if byte == b"\n" else b"GET /hello HTTP/1.1\r\nX-Slow: ")
        drip(peer, byte)


def test_the_second_request_of_a_connection_has_the_same_deadline(quick: Process) -> None:
    with quick.raw() as peer:
        peer.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        until_end(peer, b"hello")
        with lasting(0.3, 10):
            peer.sendall(b"GET /hello HTTP/1.1\r\nX-Slow: ")
            drip(peer, b"x")


def test_an_idle_connection_is_closed_later_than_a_dripping_one(quick: Process) -> None:
    with lasting(3.8, 15), quick.raw() as peer:
        peer.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        until_end(peer, b"hello")
        await_close(peer)


def test_headers_without_end_are_refused(patient: Process) -> None:
    with patient.raw() as peer:
        try:
            peer.sendall(b"GET /hello HTTP/1.1\r\nX-Large: " + b"x" * 4_000_000)
            answer = peer.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            return
    assert not answer or answer.split()[1] in (b"431", b"400"), "told so, or closed"


def test_no_deadline_touches_a_websocket_or_a_stream(quick: Process) -> None:
    with quick.socket() as ws, quick.raw() as peer:
        peer.sendall(b"GET /film/long HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(QUICK["header_seconds"] + QUICK["idle_seconds"] + 0.5)  # type: ignore[operator]  # outlasting both
        ws.send("still here")
        assert ws.recv(DEADLINE) == "you said still here"
        quick.get("/health/live?/film/long")
        assert b" and ended" in until_end(peer)


# WebSockets


def test_a_handshake_is_refused_with_the_status_that_the_application_chose(patient: Process) -> None:
    with pytest.raises(InvalidStatus) as refused, patient.socket("/refuse"):
        pytest.fail("a socket was opened")
    response = refused.value.response
    assert (response.status_code, response.headers["x-why"], response.body) == (401, "token", b"no token")


def test_an_application_closes_with_any_code(patient: Process) -> None:
    for code in (1000, 1001, 4008):
        with patient.socket() as ws:
            ws.send(f"close {code}")
            with pytest.raises(ConnectionClosed):
                ws.recv(DEADLINE)
            assert ws.close_code == code


def test_a_message_beyond_64_kib_closes_with_1009_and_no_compression_is_offered(patient: Process) -> None:
    with patient.socket() as ws:
        assert ws.response is not None
        assert "sec-websocket-extensions" not in ws.response.headers
        assert "server" not in ws.response.headers
        ws.send("x" * 65536)
        assert len(ws.recv(DEADLINE)) > 65536
        ws.send("x" * 65537)
        with pytest.raises(ConnectionClosed):
            ws.recv(DEADLINE)
        assert ws.close_code == 1009


def silent_socket(process: Process) -> socket.socket:
    """A WebSocket whose client answers no PING."""
    peer = process.raw()
    peer.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert until_end(peer, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
    return peer


def test_a_socket_that_gives_no_sign_of_life_is_closed_and_others_are_not(quick: Process) -> None:
    # A masked text frame that says "x" (RFC 6455, section 5.2), and the PING that a server begins with.
    message, ping = b"\x81\x81\0\0\0\0x", b"\x89"
    with quick.socket() as answering, silent_socket(quick) as silent, silent_socket(quick) as talking:
        ended = Background(lambda: await_close(silent))
        heard = b""
        while not ended.done or heard.count(b"you said x") < 80:
            talking.sendall(message)
            heard += (part := talking.recv(65536))
            assert part, "the one that talks was closed"
            time.sleep(0.05)  # talking now and then, for longer than silence is borne
        assert ping in ended.result()
        answering.send("still here")
        assert answering.recv(DEADLINE) == "you said still here"


# Leaving


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_loses_nobody(start: Callable[..., Process], number: int) -> None:
    process = start()
    held = process.in_background("/hold/a")
    process.wait_for("holding /hold/a")
    with ExitStack() as open_sockets, process.raw() as film:
        sockets = [open_sockets.enter_context(process.socket()) for _ in range(3)]
        film.sendall(b"GET /film/a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert film.recv(10)
        process.signal(number)
        process.wait_for("draining: 2 requests in flight, 3 sockets open")

        for ws in sockets:
            with pytest.raises(ConnectionClosed):
                ws.recv(DEADLINE)
            assert ws.close_code == 1001
        status, body, headers = process.get("/hello")
        assert (status, headers["connection"], headers["content-type"]) == (503, "close", "application/problem+json")
        assert int(headers["retry-after"]) > 0
        assert json.loads(body)["status"] == 503
        assert process.get("/health/ready")[0] == 503
        assert process.get("/health/live")[:2] == (200, b"alive")
        with pytest.raises(InvalidStatus) as refused, process.socket():
            pytest.fail("a socket was opened")
        assert refused.value.response.status_code == 503

        process.signal(number)  # again: it hurries nothing
        process.wait_for("again: still draining")
        process.get("/health/live?/film/a")
        assert b" and ended" in until_end(film)
        process.get("/health/live?/hold/a")
        assert held.result() == (200, b"released True")
    assert process.exit_status() == 0
    assert process.log.count("socket ended with 1001") == 3
    assert "left" in process.log
    assert process.refuses_connections()


def test_an_answer_is_delivered_to_the_last_byte(start: Callable[..., Process]) -> None:
    process = start()
    with process.raw() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        peer.sendall(b"GET /hold/large HTTP/1.1\r\nHost: x\r\n\r\n")
        process.wait_for("holding /hold/large")
        process.signal(signal.SIGTERM)
        process.wait_for("draining")
        process.get("/health/live?/hold/large")
        until(process.refuses_connections, "the listener to close")
        head, _, body = everything(peer).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert len(body) == 16 * 1024 * 1024
    assert process.exit_status() == 0


def test_what_is_in_flight_at_the_end_of_the_grace_is_cut(start: Callable[..., Process]) -> None:
    process = start(grace=1.0)
    held = process.in_background("/hold/a")
    process.wait_for("holding /hold/a")
    with process.raw() as film:
        film.sendall(b"GET /film/a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert film.recv(10)
        process.signal(signal.SIGTERM)
        assert held.result()[0] == 503
        await_close(film)
    assert process.exit_status() == 0


def test_a_stream_that_nobody_reads_does_not_hold_up_the_leaving(start: Callable[..., Process]) -> None:
    process = start(stall=0.3)
    with process.raw() as film:
        film.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        film.sendall(b"GET /film/flood HTTP/1.1\r\nHost: x\r\n\r\n")
        assert film.recv(10)
        process.signal(signal.SIGTERM)
        process.wait_for("cut 1 requests")


def test_an_idle_process_leaves_at_once_after_announcing_it(start: Callable[..., Process]) -> None:
    process = start(announce=0.5)
    with process.raw():
        begin = time.monotonic()
        process.signal(signal.SIGTERM)
        assert process.exit_status() == 0
        assert 0.5 < time.monotonic() - begin < 5


def test_a_connection_that_was_idle_is_told_503_and_closed(start: Callable[..., Process]) -> None:
    process = start(announce=2 * DEADLINE)
    with process.raw() as peer:
        peer.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        until_end(peer, b"hello")
        process.signal(signal.SIGTERM)
        process.wait_for("draining")
        peer.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert problem_of(everything(peer))[0] == 503


def test_sighup_rereads_the_secrets(start: Callable[..., Process]) -> None:
    process = start()
    process.signal(signal.SIGHUP)
    process.wait_for("secrets re-read")
    assert process.get("/hello")[0] == 200


# The command


@pytest.fixture
def environment() -> dict[str, str]:
    """What `serve` demands, well formed and never used: it stops before."""
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "NATS_URL": "nats://127.0.0.1:1",
        "TMDB_API_KEY": "x" * 32,
        "TELEGRAM_BOT_TOKEN": "1:x",
        "JWT_SECRET": "x" * 32,
    }


def test_serve_says_in_one_sentence_that_the_port_is_taken(environment: dict[str, str], tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, ROOT / "manage.py", "serve", "--port", port],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
    assert done.returncode == 2
    assert done.stderr.strip() == (
        f"Port {port} on 127.0.0.1 is in use by another program. Stop it, or set PORT or --port to a free one."
    )
