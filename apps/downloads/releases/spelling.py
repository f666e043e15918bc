"""Whether two titles are spellings of one: case, accents, punctuation, numerals, “&”, articles and scripts aside."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from anyascii import anyascii

from apps.downloads.releases.numbering import NUMBER_WORDS

# Before several words an article may be missing: no two works differ by that. “Thing” is not “The Thing”.
_ARTICLES = {"the", "a", "an", "le", "la", "les", "el", "los", "las", "il", "der", "die", "das", "de", "het"}
_JOINING = {"and", "et", "und", "y", "e", "och", "og", "con"}
_TEENS = (
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_WORDS = {word: str(number) for number, word in enumerate((*NUMBER_WORDS, *_TEENS), 1)}
_ONES = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
_ROMAN = {f"{'x' * tens}{ones}": str(10 * tens + n) for tens in range(4) for n, ones in enumerate(_ONES) if tens or n}
_MOST_SEASONS = 40
_LONGEST = 300
_PARTS = {"part": "part", "pt": "part", "chapter": "chapter", "vol": "vol", "volume": "vol"}

_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
# The other ways in which a letter without its sign is written: of German and Scandinavian, and of long Japanese vowels.
_SIGNS: tuple[dict[int, str], ...] = (
    {},
    str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"}),
    str.maketrans({"ō": "ou", "ū": "uu", "ô": "ou", "û": "uu"}),
    str.maketrans({"ō": "oo"}),
)
_APOSTROPHES = re.compile(r"['’‘`´ʼ]")
_ARTICLE_BEHIND = re.compile(r"^(.+), (the|a|an|le|la|les|der|die|das|el|los|las)$")
_WORD = re.compile(r"\w+")
_FOREIGN = re.compile(r"[\u0370-\u1dff\u1f00-\u1fff\u2e80-\ud7ff\uf900-\ufaff]")
_VOICED = {"\u3099", "\u309a"}  # they make another Japanese letter, and no accent
# One sound as the ways of writing Cyrillic and Greek in Latin letters spell it, longest first.
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"[^a-z0-9]+", ""), ("shch|szcz|sch|sh|sz", "s"), ("zh", "z"), ("kh|ch|x", "h"), ("tz|ts", "c"), ("ph", "f"),
        ("w", "v"), ("[jy]", "i"), ("io|ie", "e"), (r"([a-z])\1+", r"\1"),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Spellings:
    """What several titles are known by: their forms, and how they sound in Latin letters, by whether they are in those."""

    keys: frozenset[str]
    sounds: dict[bool, frozenset[str]]


def same_title(one: str, other: str) -> bool:
    """Whether two titles are spellings of one."""
    return is_any_of(one, (other,))


def is_any_of(title: str, titles: tuple[str, ...]) -> bool:
    """Whether a title is a spelling of one of these."""
    known = _spellings(titles)
    if not title or not title_keys(title).isdisjoint(known.keys):
        return bool(title)
    # Sounding alike is enough between two scripts, and within one it is not.
    others = known.sounds[_FOREIGN.search(title) is not None]
    return bool(others) and _sound(title) in others


@lru_cache(maxsize=64)
def _spellings(titles: tuple[str, ...]) -> _Spellings:
    keys = frozenset(key for title in titles if title for key in title_keys(title))
    latin = frozenset(_sound(title) for title in titles if not _FOREIGN.search(title)) - {""}
    foreign = frozenset(_sound(title) for title in titles if _FOREIGN.search(title)) - {""}
    return _Spellings(keys, {True: latin, False: foreign})


def season_of(title: str) -> tuple[str, int | None]:
    """A title that ends with the number of a season, “Some Anime II”, as the title and the number, 2 or more."""
    head, _, last = title.rpartition(" ")
    number = int(_ROMAN.get(last.lower(), last if last.isdecimal() else 0))
    return (head, number) if head and 2 <= number < _MOST_SEASONS else (title, None)


@lru_cache(maxsize=4096)
def title_keys(title: str) -> frozenset[str]:
    """The forms under which the spellings of one title meet; of a very long one, those of its beginning."""
    title = title[:_LONGEST]
    lowered = _APOSTROPHES.sub("", _ARTICLE_BEHIND.sub(r"\2 \1", title.casefold().strip()).replace("&", " and "))
    plain = {_plain(lowered.translate(signs)) for signs in _SIGNS}
    keys = {form for text in plain for form in _forms(_WORD.findall(text.replace("_", " "))) if form}
    return frozenset(keys) or frozenset({title.strip().casefold()})


def likely_keys(title: str) -> frozenset[str]:
    """Keys of an index of titles: those of one work meet in at least one. They name one too many; `is_any_of` is who decides."""
    return title_keys(title) | {f"~{_sound(title)}"}


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(c for c in decomposed if not unicodedata.combining(c) or c in _VOICED)


def _forms(words: list[str]) -> Iterable[str]:
    """The title in one word, as it stands and with its numerals read; each also without what may be missing."""
    for spelled in (words, _numbered(words)):
        for chosen in (spelled, _unjoined(spelled)):
            yield "".join(chosen)
            yield "".join(_unparted(chosen))
            if len(chosen) > 2 and chosen[0] in _ARTICLES:
                yield "".join(chosen[1:])
                yield "".join(_unparted(chosen[1:]))


def _numbered(words: list[str]) -> list[str]:
    """2 = II = two. Alone, or in front, letters are no numeral (“V”, “I, Robot”), and alone a word is none (“Nine”)."""
    first = [_WORDS.get(word, word) for word in words[:1]] if len(words) > 1 else words
    return [*first, *(_PARTS.get(word, _ROMAN.get(word, _WORDS.get(word, word))) for word in words[1:])]


def _unjoined(words: list[str]) -> list[str]:
    """Without “and” between words, in languages that put “&” there."""
    return [word for place, word in enumerate(words) if not (word in _JOINING and 0 < place < len(words) - 1)]


def _unparted(words: list[str]) -> list[str]:
    """“Part 2” as 2: without the word before a number behind the title."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return words[:1] + [word for word, after in list(pairs)[1:] if not (word in _PARTS.values() and after.isdigit())]


@lru_cache(maxsize=4096)
def _sound(title: str) -> str:
    """The title in Latin letters as it sounds, so that the ways to write another script in them meet."""
    sound = anyascii(title[:_LONGEST]).lower()
    for pattern, letter in _SOUNDS:
        sound = pattern.sub(letter, sound)
    return sound
