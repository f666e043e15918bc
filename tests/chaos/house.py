"""The system under test: the real `manage.py up` with small disks, a second hunter beside it, and the demo as the world outside.

Everything lies in one folder and is reached by names: `pid("hunter")`, `url("web")`, `ports()`.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from sokoul.stack.processes import free_port, spawn
from tests.chaos import namespace
from tests.chaos.schedule import SECOND_HUNTER, SERVERS, Ability
from tests.demo import Demo
from tests.up import COMPONENTS, ROOT, Up, clean_environment

OUTSIDE = "providers.test"  # where providers are found while there are names (RFC 6761: nobody else's)
ADMIN_PASSWORD = "chaos admin 1"
SEEDER_RATE = 500_000  # bytes a second of each torrent: a download lasts some seconds
LOG_MIB = 128
HOSTS = "127.0.0.1 localhost\n"


class House:
    """`start()` brings everything up, `stop()` ends it in order; `leases` are the seconds of hunters' and jobs' leases."""

    def __init__(self, folder: Path, able: set[Ability], leases: tuple[int, int], disk_mib: int) -> None:
        self.folder, self.able = folder, able
        self.data, self.media, self.hosts = folder / "data", folder / "media", folder / "hosts"
        self.downloads, self.library, self.logs = self.media / "downloads", self.media / "library", self.data / "logs"
        self.hunter_lease, self.job_lease = leases
        self.sizes = {self.media: disk_mib * 1024, self.logs: LOG_MIB * 1024}  # KiB
        self._second: subprocess.Popen[bytes] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._lay_out()

    def _lay_out(self) -> None:
        for folder in (self.data, self.media, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        if "disks" in self.able:
            for folder, size in self.sizes.items():
                namespace.disk(folder, size // 1024)
        self.name_providers()
        if "hosts" in self.able:
            namespace.cover(Path("/etc/hosts"), self.hosts)

    def name_providers(self, known: bool = True) -> None:
        """Whether the providers' name leads anywhere. The file keeps its place, which the namespace's mount is bound to."""
        self.hosts.write_text(HOSTS + (f"127.0.0.1 {OUTSIDE}\n" if known else ""))

    async def start(self, within: float = 180) -> None:
        self.demo = Demo(self.folder / "demo", rate=SEEDER_RATE)
        self._environment = self._configured()
        command = [*_dying_with_us(), sys.executable, str(ROOT / "manage.py"), "up"]
        self.up = Up(self.data, command, **self._environment)
        await asyncio.to_thread(self.up.announced, within)
        self._keeping = asyncio.create_task(self._keep_second_hunter())

    def _configured(self) -> dict[str, str]:
        url = urlsplit(self.demo.url)
        assert url.port
        if "hosts" in self.able:
            self.demo.http.close()
            self.demo.http = httpx.Client(base_url=self.demo.url, headers={"Host": f"{OUTSIDE}:{url.port}"}, timeout=30)
        self.provider_port = url.port
        return {
            **self.demo.env(),
            "PORT": str(free_port()),
            "DOWNLOAD_DIR": str(self.downloads),
            "LIBRARY_DIR": str(self.library),
            "TORRENT_LISTEN_INTERFACES": f"127.0.0.1:{free_port()}",
            "ADMIN_PASSWORD": ADMIN_PASSWORD,
            "TRUSTED_IPS": "127.0.0.0/8",  # a handful of people on one address ask more than one may
            "HUNTER_LEASE": str(self.hunter_lease),
            "JOB_LEASE": str(self.job_lease),
            "SEED_HOURS": "0.01",
        }

    async def _keep_second_hunter(self) -> None:
        """Another host's, so to speak: `up` knows nothing of it."""
        environment = {**self.environment(), "TORRENT_LISTEN_INTERFACES": f"127.0.0.1:{free_port()}"}
        command = [sys.executable, str(ROOT / "manage.py"), "hunter"]
        with (self.folder / f"{SECOND_HUNTER}.log").open("ab") as output:
            while True:
                if self._second is None or self._second.poll() is not None:
                    self._second = spawn(command, environment, signal.SIGKILL, output.fileno(), ROOT)
                await asyncio.sleep(0.5)

    def environment(self) -> dict[str, str]:
        """Of a program of the product that works on this installation, as an operator's command does."""
        return clean_environment(self.data, **self._environment, PYTHONPATH=str(ROOT))

    def pid(self, name: str) -> int | None:
        """None while it is down."""
        if name == SECOND_HUNTER:
            return self._second.pid if self._second and self._second.poll() is None else None
        return self.up.stack()[name]["pid"]

    def url(self, name: str) -> str:
        return self.up.url(name)

    def ports(self) -> dict[str, int]:
        """By the name of the component that listens there."""
        found = {name: urlsplit(self.url(name)).port or 0 for name in (*SERVERS, "web")}
        return {**found, "providers": self.provider_port}

    def pids(self) -> dict[str, int]:
        """Of everybody who lives."""
        names = (*COMPONENTS, SECOND_HUNTER)
        return {name: pid for name in names if (pid := self.pid(name)) is not None}

    async def stop(self) -> int:
        """SIGTERM to everybody; the exit status of `up`."""
        if self._keeping:
            self._keeping.cancel()
        if self._second:
            self._second.terminate()
        self.up.process.terminate()
        status = await asyncio.to_thread(self.up.process.wait, 120)
        if self._second:
            await asyncio.to_thread(self._second.wait, 70)
        return status

    def abandon(self) -> None:
        """End whatever is left, by force."""
        if self._keeping:
            self._keeping.cancel()
        for process in (getattr(getattr(self, "up", None), "process", None), self._second):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        if demo := getattr(self, "demo", None):
            demo.close()
        if "disks" in self.able:
            for folder in self.sizes:
                subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)

    def keep_logs(self, at: Path) -> None:
        """Copy what would be gone with the disks."""
        at.mkdir(parents=True, exist_ok=True)
        for file in [*self.logs.glob("*.log*"), *self.folder.glob("*.log"), *self.folder.glob("*.out")]:
            with suppress(OSError):
                shutil.copy(file, at)


def _dying_with_us() -> list[str]:
    """`up` starts no terminal's session here: it ends with this process, also when that is killed."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def facts(pid: int) -> Mapping[str, int]:
    """What a process holds now: file descriptors, threads, resident memory in KiB; of its children only the number."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return {
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208 - only their number
        "threads": int(status["Threads"]),
        "memory": int(status["VmRSS"].split()[0]),
    }
