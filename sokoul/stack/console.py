"""What `up` tells the person who started it: rich on a terminal, plain lines elsewhere; a console that is gone is no error."""

import json
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

_LOUD = {"WARN", "ERROR"}
_KNOWN = {"timestamp", "level", "service", "request_id", "user_id", "message", "exception"}
_STYLES = {"running": "green", "given": "green", "starting": "yellow"}
Row = tuple[str, str, str]


class Console:
    """Printing happens on a thread of its own: nobody may be reading, and the supervisor must not wait for that."""

    def __init__(self) -> None:
        self._rich = RichConsole(highlight=False, soft_wrap=True)
        self._waiting: queue.Queue[Text | Table | None] = queue.Queue(maxsize=1000)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self, timeout: float = 2.0) -> None:
        """Print what waits, as far as somebody reads it."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
            self._thread.join(timeout)

    def say(self, text: str, style: str | None = None) -> None:
        self._print(Text(text, style=style or ""))

    def table(self, rows: Sequence[Row]) -> None:
        """One line per component: name, state, where it is."""
        if not self._rich.is_terminal:
            for name, state, where in rows:
                self.say(f"{name}: {state}{', ' if where else ''}{where}")
            return
        table = Table(box=None, show_header=False, padding=(0, 2))
        for name, state, where in rows:
            table.add_row(Text(name, style="bold"), Text(state, style=_STYLES.get(state, "red")), where)
        self._print(table)

    def _print(self, what: Text | Table) -> None:
        with suppress(queue.Full):
            self._waiting.put_nowait(what)

    def _work(self) -> None:
        while (what := self._waiting.get()) is not None:
            with suppress(OSError):  # the terminal was closed, or the reader of the pipe went away
                self._rich.print(what)


def heed(line: str) -> str | None:
    """What of a child's output people should see: warnings and errors, and lines that are no JSON (a crash's last words)."""
    try:
        event = json.loads(line)
    except ValueError:
        return line or None
    if not isinstance(event, dict):
        return line
    if event.get("level") not in _LOUD:
        return None
    details = ", ".join(f"{key}: {value}" for key, value in event.items() if key not in _KNOWN and value)
    return f"{event.get('message')}{' (' if details else ''}{details}{')' if details else ''}"
