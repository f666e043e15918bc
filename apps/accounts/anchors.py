"""Where the audit trail's newest row is written down outside of the database: DATA_DIR/audit/heads.log.

One line a row that was the newest: time, id, hash. The relay appends one a minute at most, and none once the database
contradicts the last. A line that ends with `new` was asked for by the operator (after restoring a backup): what stands before
it is no longer compared.
"""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from apps.accounts.models import AuditEntry
from apps.accounts.witnesses import Contradiction, Witness, contradiction
from sokoul import logs
from sokoul.env import ENV

log = logs.logger(__name__)
NAME = "heads.log"
_LINE = re.compile(r"(\S+) (\d+) ([0-9a-f]{64})( new)?")
_LONGEST = 200  # bytes of a line


def path() -> Path:
    return ENV.data_dir / "audit" / NAME


def write() -> int:
    """Note the newest row, if it is not noted yet; 1 when it was, else 0. Raises OSError."""
    last = _last()
    if last and (wrong := contradiction([last])):
        log.error("the audit trail is not what it was", row=wrong.witness.row_id, since=wrong.witness.at)
        return 0
    head = newest()
    if head is None or (last and last.row_id == head.pk):
        return 0
    _append(head)
    return 1


def renew(row: AuditEntry) -> None:
    """From now on only this row and later ones are compared. Raises OSError."""
    _append(row, " new")


def newest() -> AuditEntry | None:
    return AuditEntry.objects.order_by("-pk").first()


def check() -> Contradiction | None:
    """The first line that the database contradicts."""
    return contradiction(witnesses()[0])


def witnesses() -> tuple[list[Witness], datetime | None]:
    """The lines that count, oldest first, and since when the operator has them count (None: from the first on)."""
    found = _parsed(path().read_text().splitlines()) if path().exists() else []
    starts = [number for number, match in enumerate(found) if match[4]]
    heard = [_witness(match) for match in found[starts[-1] if starts else 0 :]]
    return heard, heard[0].at if starts else None


def _last() -> Witness | None:
    if not path().exists():
        return None
    with path().open("rb") as file:
        file.seek(max(0, path().stat().st_size - 2 * _LONGEST))
        found = _parsed(file.read().decode(errors="replace").splitlines())
    return _witness(found[-1]) if found else None


def _parsed(lines: list[str]) -> list[re.Match[str]]:
    """Without a line that a power cut tore."""
    return [match for line in lines if (match := _LINE.fullmatch(line))]


def _witness(line: re.Match[str]) -> Witness:
    return Witness(int(line[2]), line[3], datetime.fromisoformat(line[1]), NAME)


def _append(row: AuditEntry, mark: str = "") -> None:
    """On disk when this returns; also told in the log, which may be kept elsewhere."""
    head = bytes(row.hash).hex()
    path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path(), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        start = "\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else ""
        os.write(descriptor, f"{start}{datetime.now(UTC).isoformat()} {row.pk} {head}{mark}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    log.info("audit anchor", row=row.pk, hash=head)
