"""What indexers are asked for, and how they want to hear it."""

import re
import unicodedata
from dataclasses import dataclass

from apps.media.models import Kind

MOVIES, TV = 2000, 5000  # Newznab's categories; a server takes a thousand to mean all below it
_APOSTROPHES = re.compile(r"['’‘`´]")
_OTHER = re.compile(r"[^\w]+|_+")


@dataclass(frozen=True, slots=True)
class Wish:
    """A title, or a season or episode of it."""

    kind: Kind
    title: str
    original_title: str = ""
    year: int | None = None
    season: int | None = None
    episode: int | None = None
    imdb_id: str = ""
    tmdb_id: int | None = None
    tvdb_id: int | None = None

    @property
    def category(self) -> int:
        return MOVIES if self.kind == Kind.MOVIE else TV

    @property
    def numbering(self) -> str:
        """S01E02, S01 or nothing, as release names write it."""
        if self.kind != Kind.TV or self.season is None:
            return ""
        return f"S{self.season:02d}" + (f"E{self.episode:02d}" if self.episode is not None else "")

    @property
    def names(self) -> list[str]:
        """Spellings of the title to search by, the likeliest first."""
        return list(dict.fromkeys(filter(None, (spelled(self.title), spelled(self.original_title)))))

    @property
    def texts(self) -> list[str]:
        """Whole search texts: names with the year (films) or the numbering (series)."""
        end = self.numbering if self.kind == Kind.TV else str(self.year or "")
        return [f"{name} {end}".strip() for name in self.names]


def spelled(title: str) -> str:
    """As release names write it: "Schindler's List" → Schindlers List, "Amélie" → Amelie, "A & B" → A and B."""
    text = _APOSTROPHES.sub("", title.replace("&", " and "))
    folded = unicodedata.normalize("NFKD", text)
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    return " ".join(_OTHER.sub(" ", plain).split())
