"""The demo program as a process: starts at once and without configuration, keeps what it made, ends with its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.demo import ROOT, Demo

BARE = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("command", [["-m", "sokoul.demo"], [str(ROOT / "manage.py"), "demo"]])
def test_it_runs_without_any_configuration_and_stops_when_asked(tmp_path: Path, command: list[str]) -> None:
    arguments = [sys.executable, *command, "--lazy", "--port", "0", "--data-dir", str(tmp_path / "demo")]
    with subprocess.Popen(arguments, cwd=tmp_path, env=BARE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("Demo providers: ").strip()
        assert httpx.get(f"{url}/control/health", timeout=10).json()["status"] == "ok"
        process.send_signal(signal.SIGINT if "-m" in command else signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_restart_seeds_what_was_seeded_on_the_same_port(tmp_path: Path) -> None:
    first = Demo(tmp_path)
    content = first.add_content("Kept", [{"path": "kept.bin", "size": 100_000}], "hybrid")
    port = first.call("GET", "swarm")["port"]
    first.close()
    second = Demo(tmp_path)
    again = second.torrent("Kept")
    assert (again.sha256, again.info_hash_v2) == (content.sha256, content.info_hash_v2)
    assert second.call("GET", "swarm")["port"] == port
    second.close()
    (tmp_path / "swarm-1" / "content" / "kept" / "kept.bin").unlink()
    third = Demo(tmp_path)
    assert third.torrents() == []
    third.close()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys\n"
        "from tests.demo import Demo\nfrom pathlib import Path\n"
        "demo = Demo(Path(sys.argv[1]))\n"
        "print(demo.process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    parent = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(parent, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=30)
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs: one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
