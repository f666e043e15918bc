"""The front of a release name: the title, its year, its edition, and where the tags begin."""

import re
from dataclasses import dataclass

from apps.downloads.releases.numbering import Numbering
from apps.downloads.releases.vocabulary import (
    LANGUAGE_WORDS,
    SOFT_BEFORE,
    SOFT_BEHIND,
    SOFT_LOWER,
    SURE,
    any_of,
    is_technical,
)

_B, _E = r"(?<![^\W_])", r"(?![^\W_])"
_S = r"[\s._-]"
_YEAR = re.compile(r"(?<!\d)(18[89]\d|19\d\d|20\d\d)(?![\dpx])")
# Behind the number of an episode; neither a season nor an air date.
_LATER_YEAR = re.compile(r"(?<![^\W_])(19\d\d|20\d\d)(?![\dpx]|[ ._/-]\d\d[ ._/-]\d\d)(?![^\W_])")
_SURE = re.compile(f"{_B}(?:{SURE}){_E}", re.IGNORECASE)
_QUALIFIERS = any_of(r"""
    Recut Extended Ultimate Director'?s? Collector'?s? Theatrical Despecialized Special Rouge Rogue Final Assembly Imperial
    Diamond Signature IMAX Hunter Rekall Alternat(?:e|ive) Producer'?s Definitive Deluxe Luxe Limited Platinum Premium
    Criterion International European Unrated Uncut Remastered Restored Redux Anniversary Workprint Original Broadcast
""")
_EDITIONS = any_of(r"""
    Extended Director'?s Collector'?s Theatrical Ultimate Despecialized Uncensored Remastered Unrated Uncut Open~Matte
    IMAX Fan~Edit Restored \d{2,3}(?:st|nd|rd|th)?[\s._-]Anniversary [234]in1 (?-i:DC) Criterion[\s._-]Collection Redux Criterion
""")
_UNIT = (
    rf"(?:\d{{2,3}}(?:st|nd|rd|th)?{_S}Anniversary{_S}(?:Edition|Cut)"
    rf"|(?:{_QUALIFIERS})(?:{_S}(?:{_QUALIFIERS}))?{_S}(?:Cut|Edition|Version)|{_EDITIONS})"
)
_EDITION = re.compile(rf"{_B}{_UNIT}(?:{_S}{_UNIT})*{_E}", re.IGNORECASE)
_WORDS = re.compile(r"[^\s._\[\](){}/,+-]+")
_ARTICLES = {"the", "a", "an", "le", "la", "les", "der", "die", "das", "el", "il"}
_GLUE = " \t.-_([{/|,:+"
_AKA = re.compile(r"[\s._]+(?:aka|a\.k\.a\.?)[\s._]+", re.IGNORECASE)
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_OTHER_SCRIPT = re.compile(r"[\u0370-\u1fff\u2e80-\ud7ff\uf900-\ufaff]")
# A bracket that holds the year among other words: “Title (Some Body, 1967)”.
_OPEN = re.compile(r"\([^()]*[^\s()][^()]*$")
_INNER = re.compile(r"\s*\(([^()]+)\)")
_CHINESE_FIRST = re.compile(r"([^A-Za-z]*[\u3040-\u30ff\u4e00-\u9fff][^A-Za-z]*?)[ ._]+(?=[A-Za-z][a-z])")
# “Titel.German.2013.DL.1080p”
_GERMAN_DUAL = re.compile(r"[(\[]?(?:19|20)\d\d[)\]]?[ ._-]+[DM]L(?![^\W_])")
_MINI = re.compile(r"\s*\((?:mini-?series?|miniserie|serie|series|tv|film|movie)\)", re.IGNORECASE)
_COMPLETE = re.compile(
    r"[ ._-]+(?:(?:the[ ._])?complete(?:[ ._](?:tv[ ._])?(?:series|collection|seasons?))?|(?:l')?int[eé]grale?)[ ._-]*$",
    re.IGNORECASE,
)
_STAMP = re.compile(r"^\d{6}[ _]+(?=[^\W\d])")


@dataclass(frozen=True, slots=True)
class Heading:
    """end: where the tags begin; rest: where title and number end, from where sure tags may stand."""

    title: str
    alternatives: tuple[str, ...]
    year: int | None
    edition: str | None
    end: int
    rest: int


def other_script(text: str) -> tuple[str, tuple[str, ...], str]:
    """A name led by its title in another script, “Назва / Title (2020)”: the rest, that title, and what was cut off."""
    left, slash, right = text.partition(" / ")
    if slash and _OTHER_SCRIPT.search(left) and _LATIN.match(right.lstrip()):
        return right.lstrip(), tuple(filter(None, [re.split(r"[(\[]", left)[0].strip()])), left
    return text, (), ""


def read_heading(text: str, numbering: Numbering | None) -> Heading:
    """The heading of a film's name, or of a series' where numbering was found."""
    return _of_series(text, numbering) if numbering is not None else _of_film(text)


def _of_series(text: str, numbering: Numbering) -> Heading:
    sure = _SURE.search(text, 1, max(1, numbering.start))
    front = _front(text, numbering)[: sure.start() if sure else None]
    title, alternatives = _titles(_STAMP.sub("", _MINI.sub("", _COMPLETE.sub("", front))))
    years = [
        int(found[1]) for found in _YEAR.finditer(front) if found.start() > 0 or found.end() < len(front.rstrip(_GLUE))
    ]
    if not years and (after := _LATER_YEAR.search(text, numbering.start)) is not None:
        years = [int(after[1])]
    end = sure.start() if sure else numbering.start + _tags_start(text[numbering.start :])
    edition = _edition_text(_EDITION.search(text, end))
    return Heading(title, alternatives, years[-1] if years else None, edition, end, min(end, numbering.start))


def _front(text: str, numbering: Numbering) -> str:
    """What stands before the number; behind it where the name starts with a count or a date: “01 - Title [1080p]”."""
    if numbering.start > 0 or numbering.seasons or (numbering.absolute is None and numbering.air_date is None):
        return text[: numbering.start]
    rest = text[numbering.end :]
    sure = _SURE.search(rest)
    return rest[: sure.start()] if sure else rest


def _tags_start(rest: str) -> int:
    """Where the tags start behind an episode's number: at the first sure tag and the tags right before it."""
    sure = _SURE.search(rest)
    if sure is None:
        return 0
    start = sure.start()
    for word in reversed(list(_WORDS.finditer(rest, 0, start))):
        if (
            not SOFT_BEHIND.fullmatch(word.group())
            and word.group().lower() not in LANGUAGE_WORDS
            and not _upper_code(word.group())
        ):
            break
        start = word.start()
    return start


def _upper_code(word: str) -> bool:
    return len(word) == 2 and word.isupper() and word.isalpha()


def _of_film(text: str) -> Heading:
    sure = next(
        (found for found in _SURE.finditer(text) if found.start() > 0 and _says_title(text[: found.start()])), None
    )
    limit = sure.start() if sure else len(text)
    year = _pick_year(text, limit)
    end = year.start() if year and year.start() < limit else limit
    end, edition = _back_over_soft(text, end, bool(year and year.start() < limit))
    if edition is None:
        edition = _EDITION.search(text, max(end, 1))
    title, alternatives = _titles(_OPEN.sub("", _MINI.sub("", text[:end])))
    return Heading(title, alternatives, int(year[1]) if year else None, _edition_text(edition), end, end)


def _says_title(front: str) -> bool:
    """Whether there is a title before: at least one word that is not an article."""
    words = [word.group().lower() for word in _WORDS.finditer(front)]
    return any(word not in _ARTICLES for word in words)


def _pick_year(text: str, limit: int) -> re.Match[str] | None:
    """The year of a film: the last before the tags that has a title before it, else the first among them."""
    years = [found for found in _YEAR.finditer(text) if _says_title(text[: found.start()])]
    before = [found for found in years if found.start() < limit]
    for found in before:
        if text[found.start() - 1] in "([":
            return found
    chosen = before[0] if before else None
    for found in before[1:]:
        # A later year is the year and the earlier one title, unless tags stand between.
        if chosen and any(map(is_technical, _WORDS.findall(text, chosen.end(), found.start()))):
            break
        chosen = found
    return chosen or (years[0] if years else None)


def _back_over_soft(text: str, end: int, year: bool) -> tuple[int, re.Match[str] | None]:
    """The end of the title moved before tags that stand right before the year or the first sure tag."""
    edition = next(
        (found for found in _EDITION.finditer(text, 1, end) if not text[found.end() : end].strip(_GLUE + ")]")), None
    )
    if edition is not None and _says_title(text[: edition.start()]):
        end, year = edition.start(), False
    else:
        edition = None
    shouting = text[:end].upper() == text[:end]
    for word in reversed(list(_WORDS.finditer(text, 0, end))):
        if not _is_soft(word.group(), year and not _GERMAN_DUAL.match(text, end)):
            break
        if (shouting and year) or not _says_title(text[: word.start()]):
            break
        end = word.start()
    return end, edition


def _is_soft(word: str, before_year: bool) -> bool:
    """Whether a word is a tag where another follows; before a year only capitals tell it from a title."""
    if before_year and not word.isupper():
        return False
    language = len(word) > 2 and word.lower() in LANGUAGE_WORDS
    return language or bool(SOFT_BEFORE.fullmatch(word) or SOFT_LOWER.fullmatch(word))


def _edition_text(found: re.Match[str] | None) -> str | None:
    return re.sub(r"[\s._]+", " ", found.group()) if found else None


def _titles(front: str) -> tuple[str, tuple[str, ...]]:
    """The title and other readings of it that stand beside it."""
    parts = [part for piece in re.split(r"\s[/|]\s|\s/|/\s", front) for part in _AKA.split(piece)]
    names = [name for part in parts for name in _scripts(part) if name]
    if not names:
        return "", ()
    main = names[0]
    if _OTHER_SCRIPT.search(main) and len(names) > 1:
        main = next((name for name in names if _LATIN.search(name) and not _OTHER_SCRIPT.search(name)), main)
    inner = [text for text in _INNER.findall(main) if len(text) > 3 and not text.isdigit()]
    bare = [_INNER.sub("", main).strip()] if inner else []
    return main, tuple(dict.fromkeys(name for name in (*names, *bare, *inner) if name and name != main))


def _scripts(front: str) -> tuple[str, ...]:
    """The title, in two where a Chinese or Japanese one stands before it."""
    text = _tidy(front)
    found = _CHINESE_FIRST.match(text)
    return (text[found.end() :], found[1].strip(" .")) if found else (text,)


def _tidy(front: str) -> str:
    """Words with spaces between: dots and underscores go, but stay in initials (“R.I.P.D.”)."""
    text = _unbox(front.replace("_", " ").strip())
    if " " not in text.strip(_GLUE):
        text = _undot(text)
    text = re.sub(r"\s+", " ", text).strip(" \t_").rstrip("[({/|,:+ ")
    text = re.sub(r"(?:\s+-+|^-+\s|\s\.+)+$", "", text.lstrip(" .,:)]")).rstrip()
    while text.endswith(("(", "[", "{", " -")):
        text = text[:-1].rstrip()
    if text.count("(") > text.count(")"):
        text += ")"
    return re.sub(r"[\[({]\s*[\])}]", "", text).strip()


def _unbox(text: str) -> str:
    """The title out of its bracket, where everything is in brackets: the one in Latin letters of several."""
    if not text.startswith("[") or not re.fullmatch(r"(?:\[[^\]]*\]\s*)*\[?", text):
        return text
    boxes = [box for box in re.findall(r"\[([^\]]+)\]", text) if box.strip()]
    return next((box for box in boxes if _LATIN.search(box) and not is_technical(box)), boxes[0] if boxes else text)


def _undot(text: str) -> str:
    pieces = text.split(".")
    out: list[str] = []
    for index, piece in enumerate(pieces):
        lone = len(piece) == 1 and piece.isalpha()
        before = index > 0 and len(pieces[index - 1]) == 1 and pieces[index - 1].isalpha()
        after = index + 1 < len(pieces) and len(pieces[index + 1]) == 1 and pieces[index + 1].isalpha()
        if lone and before and out:
            out[-1] += f"{piece}."
        elif lone and after:
            out.append(f"{piece}.")
        else:
            out.append(piece)
    return " ".join(filter(None, out))
