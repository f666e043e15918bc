"""One indexer's turn: until when it may take, how often it may be asked, and what came of it. Knows no database."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from apps.downloads.indexers import pauses
from apps.downloads.indexers.caps import Caps
from apps.downloads.indexers.offer import Batch
from apps.downloads.indexers.refusals import LimitReachedError, SpentError
from sokoul.errors import TransientError
from sokoul.said import Said, said

MIN_SECONDS = 0.001
DEFAULT_PRIORITY = 25


def spent(name: str) -> Said:
    return said(lambda: _("%(name)s has been asked as often as its limits allow.") % {"name": name})


@dataclass
class Turn:
    """Kept by the one thread that asks; who started it reads it once that has ended, or is too late.

    `end` is monotonic; `calls` how many there may be at most (None: any number), `made` how many there were, in `seconds`
    altogether; `pause` what its headers asked for; `learned` what it said that it can do, where that is news.
    """

    name: str
    end: float
    calls: int | None = None
    caps: Caps | None = None
    priority: int = DEFAULT_PRIORITY
    made: int = 0
    seconds: float = 0.0
    pause: float = 0.0
    learned: Caps | None = None

    @property
    def left(self) -> float:
        """Seconds, never none: the outbound door is what says that it is too late."""
        return max(MIN_SECONDS, self.end - time.monotonic())

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around each call that counts. Raises LimitReachedError or SpentError instead of one too many."""
        if self.pause:
            reached = said(lambda: _("%(name)s says that its limit is reached.") % {"name": self.name})
            raise LimitReachedError(reached, self.pause)
        if self.calls is not None and self.made >= self.calls:
            raise SpentError(spent(self.name))
        self.made += 1
        began = time.monotonic()
        try:
            yield
        except TransientError as error:
            named = error.retry_after or (pauses.AFTER_LIMIT if isinstance(error, LimitReachedError) else 0.0)
            self.pause = max(self.pause, named)  # also where the pages before are an answer all the same
            raise
        finally:
            self.seconds += time.monotonic() - began

    def hear(self, headers: Mapping[str, str]) -> None:
        self.pause = max(self.pause, pauses.told(headers))


@dataclass(frozen=True)
class Source:
    """An indexer that is configured. `key` is "" for those behind Prowlarr, whose keys it keeps itself."""

    name: str
    ask: Callable[[Turn], Batch] = field(repr=False)
    key: str = field(default="", repr=False)
    caps: Caps | None = None
