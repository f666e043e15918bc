"""The edge proxy as a process: HAProxy with deploy/edge/haproxy.cfg as it is, its deadlines shortened by its own variables."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from sokoul.stack.processes import free_port, spawn

CONFIG = Path(__file__).parents[1] / "deploy" / "edge" / "haproxy.cfg"
PROGRAM = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


class Edge:
    """In front of the web at `upstream` (host:port); accepts connections when the constructor returns.

    `settings` are the configuration's variables without EDGE_. `peer` of the calls is the address, of loopback's, that the
    client has.
    """

    def __init__(self, upstream: str, **settings: str) -> None:
        assert PROGRAM, "The edge's tests need HAProxy. Run: sudo apt-get install haproxy"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        environment = {"EDGE_BIND": f"127.0.0.1:{self.port}", "EDGE_WEB": upstream, "EDGE_CONNECTIONS": "200"}
        environment |= {f"EDGE_{name}": value for name, value in settings.items()}
        command = [PROGRAM, "-db", "-f", str(CONFIG)]
        self.process: subprocess.Popen[bytes] = spawn(
            command, {**os.environ, **environment}, signal.SIGKILL, self.output.fileno(), CONFIG.parent
        )
        deadline = time.monotonic() + 30
        while not self._accepts():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.01)

    def _accepts(self) -> bool:
        try:
            return httpx.get(f"{self.url}/edge/alive", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def request(self, method: str, path: str, peer: str = "127.0.0.1", **rest: Any) -> httpx.Response:
        transport = httpx.HTTPTransport(local_address=peer)
        with httpx.Client(base_url=self.url, timeout=30, transport=transport) as client:
            return client.request(method, path, **rest)

    def get(self, path: str, peer: str = "127.0.0.1", **rest: Any) -> httpx.Response:
        return self.request("GET", path, peer, **rest)

    def raw(self, head: str) -> socket.socket:
        """A connection that has said this much of a request."""
        link = socket.create_connection(("127.0.0.1", self.port), timeout=15)
        link.sendall(head.replace("\n", "\r\n").encode())
        return link

    def log(self) -> str:
        return os.pread(self.output.fileno(), 10_000_000, 0).decode(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """Of its log, one a request."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.output.close()
