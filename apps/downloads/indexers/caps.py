"""What an indexer can do, as it says itself: kept with its row, so that nobody has to ask for it before each search."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

LIMIT = 100
# What is kept of an indexer that tells without end; real ones have some hundred categories and a few words.
MOST_CATEGORIES, MOST_MODES, MOST_WORDS, LONGEST_WORD = 2_000, 20, 50, 50


@dataclass(frozen=True, slots=True)
class Caps:
    """Rows a page, parameters of each way to search, categories (() when it does not say)."""

    limit: int = LIMIT
    modes: tuple[tuple[str, frozenset[str]], ...] = (("search", frozenset({"q"})),)
    categories: tuple[int, ...] = ()

    def parameters(self, mode: str) -> frozenset[str]:
        return dict(self.modes).get(mode, frozenset())

    def below(self, category: int) -> list[int]:
        """The categories to ask for, of a thousand of Newznab's; none where it has none of them (music, books)."""
        found = [number for number in self.categories if category <= number < category + 1000]
        return found if self.categories else [category]

    def to_json(self) -> dict[str, Any]:
        modes = {mode: sorted(parameters) for mode, parameters in self.modes}
        return {"limit": self.limit, "modes": modes, "categories": list(self.categories)}


def made(limit: int, modes: Iterable[tuple[str, Iterable[str]]], categories: Iterable[int]) -> Caps:
    """Of what an indexer told; the least that any can where it does not say."""
    told = tuple((mode[:LONGEST_WORD], _words(names)) for mode, names in islice(modes, MOST_MODES))
    kept = tuple(sorted({number for number in categories if number > 0}))[:MOST_CATEGORIES]
    return Caps(
        min(limit, LIMIT) if limit > 0 else LIMIT, tuple(pair for pair in told if pair[1]) or Caps().modes, kept
    )


def _words(names: Iterable[str]) -> frozenset[str]:
    words = (name.strip().lower() for name in names)
    return frozenset(islice((word for word in words if word and len(word) <= LONGEST_WORD), MOST_WORDS))


def read(kept: Any) -> Caps | None:
    """What `to_json` wrote; None for anything else."""
    try:
        modes = tuple((str(mode), frozenset(map(str, names))) for mode, names in kept["modes"].items())
        return Caps(int(kept["limit"]), modes, tuple(map(int, kept["categories"])))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
