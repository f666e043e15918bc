"""What the swarm holds: renders a title's clip, writes a release's files, makes its torrent and seeds it, each once.

Everything is kept in the data folder, so that a restart seeds what it seeded before. Nothing is made before it is asked for.
"""

import asyncio
import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sokoul.demo import contents
from sokoul.demo.catalogue import TITLES
from sokoul.demo.releases import RELEASES, Part, Release
from sokoul.demo.swarm import Seeder, Torrent, make, parse
from sokoul.demo.tracker import Tracker

# Raise it when clips, files or torrents are made differently: old ones are then left alone and made anew.
FORMAT = 1
BACKGROUND = 10  # nice(1) of what nobody waits for


@dataclass
class Stored:
    """A release whose torrent exists. `files` are {path, size, sha256}, paths within the torrent's folder."""

    release: Release
    torrent: Torrent
    files: list[dict[str, Any]]
    seeded: bool = False


class Store:
    def __init__(self, folder: Path, rate: int) -> None:
        self._folder = folder / f"swarm-{FORMAT}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.seeder = Seeder(self._folder / "port", rate)
        self.tracker = Tracker()
        self.releases: dict[str, Release] = dict(RELEASES)
        self.stored: dict[str, Stored] = {}
        self._clips: dict[str, asyncio.Task[None]] = {}
        self._made: dict[str, asyncio.Task[Stored]] = {}

    def start(self) -> None:
        """Seed what an earlier run made and is still there and still wanted."""
        self.seeder.start()
        for description in sorted(self._folder.glob("torrents/*.json")):
            saved = json.loads(description.read_text(encoding="utf-8"))
            release = restored(saved["release"])
            if RELEASES.get(release.key, release) == release and self._whole(release, saved["files"]):
                self.releases[release.key] = release
                self._seed(Stored(release, parse(description.with_suffix(".torrent").read_bytes()), saved["files"]))

    def _whole(self, release: Release, files: list[dict[str, Any]]) -> bool:
        base = self.content_folder(release.key) / (release.name if release.folder else "")
        paths = [base / file["path"] for file in files]
        return all(
            path.is_file() and path.stat().st_size == file["size"] for path, file in zip(paths, files, strict=True)
        )

    def content_folder(self, key: str) -> Path:
        return self._folder / "content" / key

    async def clips(self, title_key: str, niceness: int = 0) -> Path:
        """The folder of a title's clips, rendered by now."""
        folder = self._folder / "clips" / title_key
        task = self._clips.get(title_key)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._clips[title_key] = asyncio.create_task(self._render(title_key, folder, niceness))
        await asyncio.shield(task)
        return folder

    async def _render(self, title_key: str, folder: Path, niceness: int) -> None:
        needed = set().union(*(contents.clips_needed(r) for r in RELEASES.values() if r.title_key == title_key))
        missing = sorted(name for name in needed if not (folder / name).exists())
        if missing:
            command = [sys.executable, "-m", "sokoul.demo.clips", str(niceness), str(folder), title_key, *missing]
            process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
            try:
                status = await process.wait()
            except asyncio.CancelledError:
                process.kill()
                await process.wait()
                raise
            if status:
                raise RuntimeError(f"rendering {title_key} ended with status {status}")

    async def render_all(self) -> None:
        """Render the clips of every title, one after the other."""
        for title in TITLES:
            await self.clips(title.key, BACKGROUND)

    async def ready(self, key: str) -> Stored:
        """A release with its torrent, made now if need be; raises KeyError for an unknown one."""
        if key not in self.stored:
            task = self._made.get(key) or asyncio.create_task(self._make(self.releases[key]))
            self._made[key] = task
            task.add_done_callback(lambda _: self._made.pop(key, None))
            await asyncio.shield(task)
        return self.stored[key]

    async def _make(self, release: Release) -> Stored:
        clips = Path()
        if contents.clips_needed(release):
            clips = await self.clips(release.title_key)
        stored = await asyncio.to_thread(self._build, release, clips)
        self._seed(stored)
        return stored

    def _build(self, release: Release, clips: Path) -> Stored:
        folder = self.content_folder(release.key)
        root = contents.write(release, folder, clips)
        torrent = make(root, release.kind, release.piece_size)
        base = root if root.is_dir() else root.parent
        files = [
            {
                "path": part.path,
                "size": (base / part.path).stat().st_size,
                "sha256": contents.sha256(base / part.path),
            }
            for part in release.parts
        ]
        target = self._folder / "torrents" / f"{release.key}.torrent"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(torrent.data)
        description = json.dumps({"release": asdict(release), "files": files}, ensure_ascii=False)
        target.with_suffix(".json").write_text(description, encoding="utf-8")
        return Stored(release, torrent, files)

    def _seed(self, stored: Stored) -> None:
        self.stored[stored.release.key] = stored
        if stored.release.seeders > 0:
            self.seeder.seed(stored.release.key, stored.torrent, self.content_folder(stored.release.key))
            self.track(stored, True)

    def track(self, stored: Stored, seeded: bool) -> None:
        """Tell peers that ask for it about the seeder, or no longer."""
        stored.seeded = seeded
        for info_hash in stored.torrent.announced:
            if seeded:
                self.tracker.seeders[info_hash] = ("127.0.0.1", self.seeder.port)
            else:
                self.tracker.seeders.pop(info_hash, None)

    def find(self, name: str) -> Stored | None:
        """By key, release name or info-hash in hex."""
        wanted = name.lower()
        for stored in self.stored.values():
            if wanted in (stored.release.key, stored.release.name.lower(), stored.torrent.v1, stored.torrent.v2):
                return stored
        return None

    def forget_added(self) -> None:
        """Remove everything that is not of the catalogue, and its files."""
        for key in [key for key in self.releases if key not in RELEASES]:
            if stored := self.stored.pop(key, None):
                self.track(stored, False)
            self.seeder.drop(key)
            del self.releases[key]
            shutil.rmtree(self.content_folder(key), ignore_errors=True)
            for suffix in (".json", ".torrent"):
                (self._folder / "torrents" / f"{key}{suffix}").unlink(missing_ok=True)


def restored(saved: dict[str, Any]) -> Release:
    """A release as it was saved, with tuples where JSON has lists."""
    parts = tuple(Part(**part) for part in saved["parts"])
    return Release(**{**saved, "parts": parts, "indexers": tuple(saved["indexers"])})
