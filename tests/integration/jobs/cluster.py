"""Three NATS servers that hold their streams together, for drills that lose one of them."""

import asyncio
import json
import signal
import subprocess
import sysconfig
from pathlib import Path

import nats
import nats.errors

from sokoul.stack.processes import free_port, spawn
from tests.integration.jobs.kit import wait_for

TOKEN = "only-for-this-drill"
NODES = ("n1", "n2", "n3")


class Cluster:
    """Running once constructed. `url` names all three."""

    def __init__(self, folder: Path) -> None:
        self._clients = {name: free_port() for name in NODES}
        self._routes = {name: free_port() for name in NODES}
        self._processes = {name: self._start(folder / name) for name in NODES}
        wait_for(lambda: self.leader() is not None, 30, "a leader of the cluster")

    @property
    def url(self) -> str:
        return ",".join(f"nats://{TOKEN}@127.0.0.1:{port}" for port in self._clients.values())

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def close(self) -> None:
        for name in list(self._processes):
            self.kill(name)

    def leader(self, stream: str = "") -> str | None:
        """The node that leads the stream; without one: whoever answers for JetStream."""
        return asyncio.run(self._leader(stream))

    async def _leader(self, stream: str) -> str | None:
        try:
            client = await nats.connect(self.url.split(","), connect_timeout=1, max_reconnect_attempts=1)
        except (nats.errors.Error, OSError):
            return None
        try:
            if not stream:
                await client.jetstream(timeout=1).account_info()
                return "some"
            info = await client.jetstream(timeout=1).stream_info(stream)
            return info.cluster.leader if info.cluster else None
        except (nats.errors.Error, TimeoutError):
            return None
        finally:
            await client.close()

    def _start(self, folder: Path) -> "subprocess.Popen[bytes]":
        folder.mkdir(parents=True)
        others = [f"nats://127.0.0.1:{port}" for name, port in self._routes.items() if name != folder.name]
        config = {
            "server_name": folder.name,
            "host": "127.0.0.1",
            "port": self._clients[folder.name],
            "authorization": {"token": TOKEN},
            "jetstream": {"store_dir": str(folder / "store"), "sync_interval": "1s"},
            "cluster": {"name": "drill", "host": "127.0.0.1", "port": self._routes[folder.name], "routes": others},
        }
        (folder / "nats.conf").write_text(json.dumps(config))
        program = Path(sysconfig.get_path("scripts")) / "nats-server"
        with (folder / "log").open("wb") as log:
            return spawn([str(program), "-c", str(folder / "nats.conf")], {}, signal.SIGKILL, log.fileno(), folder)
