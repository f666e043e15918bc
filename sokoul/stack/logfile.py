"""One component's log file, appended to by the supervisor: it rotates, and outlives a full disk."""

import os
from pathlib import Path

MOST_BYTES = 20_000_000
KEPT = 3


class LogFile:
    """`path`, with earlier ones as `path.1` to `path.3`. Writing never raises: what cannot be kept is counted and told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._lost = 0

    def write(self, data: bytes) -> None:
        if self._lost:
            notice = f"({self._lost} bytes of log could not be written before this line)\n".encode()
            if not self._append(notice):
                self._lost += len(data)
                return
            self._lost = 0
        if not self._append(data):
            self._lost += len(data)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, data: bytes) -> bool:
        try:
            if self._descriptor is None:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            written = os.write(self._descriptor, data)
            if os.fstat(self._descriptor).st_size > MOST_BYTES:
                self._rotate()
        except OSError:
            self.close()  # and try to open it anew next time: the folder may be back
            return False
        return written == len(data)

    def _rotate(self) -> None:
        self.close()
        for number in range(KEPT, 0, -1):
            older = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number}"))
