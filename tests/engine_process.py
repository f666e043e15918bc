"""The engine as a process of its own, for tests that kill it or take its disk away.

`python -m tests.engine_process TORRENT_FILE=FOLDER…` prints one line an event (its kind, its key, and the errno of a
FileError). Keys are the torrent files' paths; resume data, saved ten times a second, lies beside them as KEY.resume.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from apps.downloads.engine.events import EngineEvent, FileError, ResumeData
from apps.downloads.engine.session import Engine
from apps.downloads.engine.settings import EngineSettings

SAVE_EVERY = 0.1  # seconds


def start(torrents: dict[Path, Path], *, before: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    """`torrents`: files and the folders they download to. `before`: a command that becomes ours, like prlimit."""
    names = [f"{torrent}={folder}" for torrent, folder in torrents.items()]
    command = [*before, sys.executable, "-m", "tests.engine_process", *names]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def resume_file(torrent: Path) -> Path:
    return torrent.with_name(f"{torrent.name}.resume")


def _keep(event: ResumeData) -> None:
    kept = resume_file(Path(event.key))
    part = kept.with_suffix(".part")
    part.write_bytes(event.data)
    part.replace(kept)


def _say(event: EngineEvent) -> None:
    if isinstance(event, ResumeData):
        _keep(event)
    else:
        errno = f" {event.errno}" if isinstance(event, FileError) else ""
        print(f"{type(event).__name__} {event.key}{errno}", flush=True)


def main() -> None:
    engine = Engine(EngineSettings(listen_interfaces="127.0.0.1:0"))
    for torrent, _, folder in (argument.partition("=") for argument in sys.argv[1:]):
        engine.add(torrent, folder=Path(folder), torrent=Path(torrent).read_bytes())
    next_save = 0.0
    parent = os.getppid()
    while os.getppid() == parent:
        for event in engine.poll(0.05):
            _say(event)
        if time.monotonic() >= next_save:
            next_save = time.monotonic() + SAVE_EVERY
            engine.save_resume()
    engine.close(timeout=5)


if __name__ == "__main__":
    main()
