"""Regular expressions as .NET writes them, for Python: the published custom formats are written for .NET.

What means the same in both is kept, what is written otherwise is rewritten, and what Python cannot say is refused with
its reason. A pattern only ever answers whether it is found: groups that nothing refers to keep no text.

The source of the rules: Microsoft, “Regular Expression Language - Quick Reference” and its chapters.
"""

import logging
import re
import string
import time
from dataclasses import dataclass, field
from functools import lru_cache

import regex
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

MAX_LENGTH, MAX_DEPTH = 4_000, 50
# Seconds of processor time for one search of a pattern that may go astray.
PATIENCE = 0.05
TRIES, REST = 5, 60.0  # so often it may take too long; then it rests for seconds
# A pattern with no more ways than this to try at one place of a text cannot go astray, and is searched without a clock.
_TAME = 2_000
_ENDLESS = 10**9
_WORD, _NO_WORD = r"[\p{L}\p{Mn}\p{Nd}\p{Pc}]", r"[^\p{L}\p{Mn}\p{Nd}\p{Pc}]"
_CATEGORY = re.compile("L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfson]?")
_CONTROLS = {"a": "\a", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ANCHORS = {"b": r"\b", "B": r"\B", "A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)", "G": r"\G"}
_COUNT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_NAME = re.compile(r"[\w]+")
_SPACE = re.compile(r"[ \t\n\r\f\v]+|#[^\n]*")
_OPTIONS = re.compile(r"\(\?([A-Za-z]*(?:-[A-Za-z]*)?)\)")
_SCOPED = re.compile(r"([A-Za-z]*(?:-[A-Za-z]*)?):")
_NUMBER = re.compile(r"[1-9]\d*", re.ASCII)
_BLOCK = re.compile(r"[A-Za-z0-9-]+")
_OCTAL = re.compile(r"[0-7]{1,3}")

REASONS = {
    "balancing_group": gettext_lazy("groups that take another group back"),
    "conditional": gettext_lazy("a choice by an expression"),
    "right_to_left": gettext_lazy("searching from right to left"),
    "posix_class": gettext_lazy("a class named within a class"),
    "undefined_reference": gettext_lazy("a reference to a group that is not there"),
    "unknown_category": gettext_lazy("a Unicode category or block that is not known"),
    "unknown_escape": gettext_lazy("an escape that .NET does not know"),
    "unknown_flag": gettext_lazy("an option that .NET does not know"),
    "unknown_group": gettext_lazy("a kind of group that .NET does not know"),
    "unopened_group": gettext_lazy("a parenthesis that closes nothing"),
    "unterminated_group": gettext_lazy("a group that is not closed"),
    "unterminated_class": gettext_lazy("a class of characters that is not closed"),
    "unterminated_escape": gettext_lazy("an escape that is not whole"),
    "nothing_to_repeat": gettext_lazy("a repeat with nothing before it"),
    "nested_repeat": gettext_lazy("a repeat of a repeat"),
    "bad_range": gettext_lazy("a range that ends before it begins, or at a class"),
    "bad_count": gettext_lazy("a count that is too large, or ends before it begins"),
    "subtraction_not_last": gettext_lazy("something behind a class taken from another"),
    "too_long": gettext_lazy("more than 4,000 characters"),
    "too_deep": gettext_lazy("more than 50 groups within each other"),
    "not_supported": gettext_lazy("something that is not supported here"),
}

log = logging.getLogger(__name__)


class Untranslatable(ValueError):
    """Why an expression cannot be taken. code: of REASONS; position: where it is, in characters from 0."""

    def __init__(self, code: str, position: int, detail: str = "") -> None:
        self.code, self.position = code, position
        what = f"{REASONS[code]} ({detail})" if detail else str(REASONS[code])
        text = _("The regular expression has %(what)s, at character %(place)d.")
        super().__init__(text % {"what": what, "place": position + 1})


class Pattern:
    """A .NET expression that ignores case, ready to be searched for."""

    def __init__(self, source: str) -> None:
        """Untranslatable is raised with the reason."""
        self.source = source
        text, ways = translate(source)
        try:
            compiled = regex.compile(text, regex.V0 | regex.IGNORECASE)
        except regex.error as error:
            raise Untranslatable("not_supported", 0, str(error)) from error
        self._search = compiled.search
        self._tame = ways <= _TAME
        self._late, self._rests_until, self._is_told = 0, 0.0, False

    def found(self, text: str) -> bool | None:
        """Whether it is in the text. None when it took too long, or has done so TRIES times lately; that is logged one time.

        One odd name, or a busy moment of this machine, must not switch a format off for all names to come.
        """
        if self._tame:
            return self._search(text) is not None
        if self._late >= TRIES:
            if time.monotonic() < self._rests_until:
                return None
            self._late = 0
        try:
            return self._search(text, timeout=PATIENCE) is not None
        except TimeoutError:
            self._late, self._rests_until = self._late + 1, time.monotonic() + REST
            if not self._is_told:
                log.warning("A regular expression takes too long: %s", self.source)
            self._is_told = True
            return None


@lru_cache(maxsize=8192)
def compiled(source: str) -> Pattern:
    """One Pattern for all that have the same expression. Untranslatable is raised with the reason."""
    return Pattern(source)


def translate(source: str) -> tuple[str, int]:
    """The expression for `regex.compile(…, V0 | IGNORECASE)`, and in how many ways it can be tried at one place."""
    if len(source) > MAX_LENGTH:
        raise Untranslatable("too_long", MAX_LENGTH)
    groups = _Reader(source, None).groups()
    return _Reader(source, groups).read()


@dataclass(slots=True)
class _Groups:
    """The groups that keep their text. .NET numbers those without a name first, then those with one."""

    numbers: set[int] = field(default_factory=set)
    names: list[str] = field(default_factory=list)
    referred: set[str] = field(default_factory=set)

    def kept(self) -> set[int | None]:
        """The numbers of those that something refers to."""
        return {self.number(name) for name in self.referred}

    def number(self, name: str) -> int | None:
        """The number of a group by its name or number, None where there is none."""
        if name.isdecimal():
            number = int(name)
            return number if number in self._all().values() or number in self.numbers else None
        return self._all().get(name)

    def _all(self) -> dict[str, int]:
        taken, found, number = self.numbers, {}, 1
        for name in self.names:
            while number in taken:
                number += 1
            found[name] = number
            number += 1
        return found


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the translation. ways: in how many ways it can be tried; repeatable: a repeat may follow."""

    text: str
    ways: int = 1
    repeatable: bool = True


class _Reader:
    """Reads an expression from left to right. groups: what the first reading found, None while it is that one."""

    def __init__(self, source: str, groups: _Groups | None) -> None:
        self.source, self.at, self.depth = source, 0, 0
        self.known, self.seen, self.unnamed = groups, _Groups(), 0

    def groups(self) -> _Groups:
        self.read()
        return self.seen

    def read(self) -> tuple[str, int]:
        part = self._choices(frozenset("i"))
        if self.at < len(self.source):
            raise self._no("unopened_group")
        return part.text, part.ways

    def _no(self, code: str, detail: str = "", at: int | None = None) -> Untranslatable:
        return Untranslatable(code, self.at if at is None else at, detail)

    def _next(self, ahead: int = 0) -> str:
        return self.source[self.at + ahead : self.at + ahead + 1]

    def _take(self, text: str) -> bool:
        if self.source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def _until(self, end: str, code: str) -> str:
        stop = self.source.find(end, self.at)
        if stop < 0:
            raise self._no(code)
        text, self.at = self.source[self.at : stop], stop + len(end)
        return text

    # Choices and sequences.

    def _choices(self, outer: frozenset[str]) -> _Part:
        """All up to the end of the group. An option set within it holds to its end, over all choices that follow."""
        text, flags, opened, total, ways = "", outer, 0, 0, 1
        while self.at < len(self.source) and self._next() != ")":
            if self._take("|"):
                text += ")" * opened + "|"
                total, ways, opened = total + ways, 1, 0
                if wrap := _switch(outer, flags):
                    text, opened = text + wrap, 1
            elif (changed := self._options(flags)) is not None:
                if wrap := _switch(flags, changed):
                    text, opened = text + wrap, opened + 1
                flags = changed
            elif not self._skip(flags):
                part = self._repeated(self._atom(flags), flags)
                text, ways = text + part.text, min(_ENDLESS, ways * part.ways)
        return _Part(text + ")" * opened, min(_ENDLESS, total + ways))

    def _skip(self, flags: frozenset[str]) -> bool:
        """Whether a comment was passed, or white space where it has no meaning."""
        if self._take("(?#"):
            self._until(")", "unterminated_group")
            return True
        blank = _SPACE.match(self.source, self.at) if "x" in flags else None
        if blank:
            self.at = blank.end()
        return blank is not None

    def _options(self, flags: frozenset[str]) -> frozenset[str] | None:
        """The options after (?i-s), None where there is none."""
        found = _OPTIONS.match(self.source, self.at)
        if found is None:
            return None
        changed = self._changed(flags, found[1])
        self.at = found.end()
        return changed

    def _changed(self, flags: frozenset[str], letters: str) -> frozenset[str]:
        on, _, off = letters.lower().partition("-")
        for letter in on + off:
            if letter not in "imnsx":
                raise self._no("right_to_left" if letter == "r" else "unknown_flag", letter)
        return (flags | set(on)) - set(off)

    # Repeats.

    def _repeated(self, part: _Part, flags: frozenset[str]) -> _Part:
        while self._skip(flags):
            pass
        counts = self._repeat()
        if counts is None:
            return part
        if not part.repeatable:
            raise self._no("nothing_to_repeat")
        low, high = counts
        shown = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((low, high))
        shown = shown or (f"{{{low}}}" if low == high else f"{{{low},{'' if high is None else high}}}")
        while self._skip(flags):
            pass
        shown += "?" if self._take("?") else ""
        while self._skip(flags):
            pass
        if self._next() in {"*", "+", "?"} or _COUNT.match(self.source, self.at):
            raise self._no("nested_repeat")
        return _Part(part.text + shown, _ways(part.ways, low, high), repeatable=False)

    def _repeat(self) -> tuple[int, int | None] | None:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return counts
        found = _COUNT.match(self.source, self.at)
        if found is None:
            return None
        low = int(found[1])
        high = low if not found[2] else int(found[3]) if found[3] else None
        if max(low, high or 0) > 10_000 or (high is not None and high < low):
            raise self._no("bad_count")
        self.at = found.end()
        return low, high

    # What stands for itself.

    def _atom(self, flags: frozenset[str]) -> _Part:
        character = self._next()
        if character in {"*", "+", "?"} or _COUNT.match(self.source, self.at):
            raise self._no("nothing_to_repeat")
        if character == "(":
            return self._group(flags)
        self.at += 1
        if character == "[":
            return _Part(self._class("i" in flags))
        if character == "\\":
            return self._escape(flags)
        return _Part(character if character in "^$." else _literal(character))

    def _group(self, flags: frozenset[str]) -> _Part:
        begun = self.at
        self.at += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._no("too_deep", at=begun)
        opening, inner = self._opening(flags, begun)
        part = self._choices(inner)
        if not self._take(")"):
            raise self._no("unterminated_group", at=begun)
        self.depth -= 1
        return _Part(f"{opening}{part.text})", part.ways)

    def _opening(self, flags: frozenset[str], begun: int) -> tuple[str, frozenset[str]]:
        """How the group begins in Python, and the options within it."""
        if not self._take("?"):
            return (self._numbered() if "n" not in flags else "(?:"), flags
        for plain in (":", "=", "!", ">", "<=", "<!"):
            if self._take(plain):
                return f"(?{plain}", flags
        if self._take("<"):
            return self._named(">", begun), flags
        if self._take("'"):
            return self._named("'", begun), flags
        if self._take("("):
            return self._condition(begun), flags
        letters = _SCOPED.match(self.source, self.at)
        if letters is None:
            raise self._no("unknown_group", at=begun)
        inner = self._changed(flags, letters[1])
        self.at = letters.end()
        return _switch(flags, inner) or "(?:", inner

    def _numbered(self) -> str:
        self.unnamed += 1
        self.seen.numbers.add(self.unnamed)
        return self._keeping(str(self.unnamed))

    def _named(self, end: str, begun: int) -> str:
        name = self._until(end, "unterminated_group")
        if "-" in name:
            raise self._no("balancing_group", at=begun)
        if not _NAME.fullmatch(name) or (name[0].isdecimal() and not _NUMBER.fullmatch(name)):
            raise self._no("unknown_group", name, at=begun)
        if name.isdecimal():
            self.seen.numbers.add(int(name))
        elif name not in self.seen.names:
            self.seen.names.append(name)
        return self._keeping(name)

    def _keeping(self, name: str) -> str:
        number = self.known.number(name) if self.known else None
        return f"(?P<g{number}>" if self.known and number in self.known.kept() else "(?:"

    def _condition(self, begun: int) -> str:
        """(?(name)yes|no), by whether a group was found."""
        name = self._until(")", "unterminated_group")
        if not _NAME.fullmatch(name):
            raise self._no("conditional", at=begun)
        self.seen.referred.add(name)
        number = self.known.number(name) if self.known else 0
        if number is None:
            raise self._no("conditional", at=begun)
        return f"(?(g{number})"

    # Escapes.

    def _escape(self, flags: frozenset[str]) -> _Part:
        """Behind a backslash, outside of a class."""
        begun = self.at - 1
        letter = self._next()
        if letter in _ANCHORS and letter:
            self.at += 1
            return _Part(_ANCHORS[letter])
        if letter == "k":
            return self._reference(begun)
        if digits := _NUMBER.match(self.source, self.at):
            if self._is_group(digits[0]):
                self.at = digits.end()
                return self._referring(digits[0])
            if len(digits[0]) == 1:
                raise self._no("undefined_reference", f"\\{digits[0]}", at=begun)
        shorthand = self._shorthand("i" in flags)
        return _Part(shorthand if shorthand is not None else _literal(self._character()))

    def _is_group(self, name: str) -> bool:
        return self.known is None or self.known.number(name) is not None

    def _reference(self, begun: int) -> _Part:
        self.at += 1
        end = {"<": ">", "'": "'"}.get(self._next())
        if end is None:
            raise self._no("unterminated_escape", at=begun)
        self.at += 1
        name = self._until(end, "unterminated_escape")
        if not self._is_group(name):
            raise self._no("undefined_reference", name, at=begun)
        return self._referring(name)

    def _referring(self, name: str) -> _Part:
        self.seen.referred.add(name)
        number = self.known.number(name) if self.known else None
        return _Part(f"(?P=g{number})")

    def _shorthand(self, ignoring_case: bool) -> str | None:
        r"""A class that an escape stands for: \d \s \w \p and their opposites; None where it is none."""
        letter = self._next()
        if letter and letter in "dDsS":
            self.at += 1
            return f"\\{letter}"
        if letter and letter in "wW":
            self.at += 1
            return _WORD if letter == "w" else _NO_WORD
        if letter and letter in "pP":
            return self._category(letter, ignoring_case)
        return None

    def _category(self, letter: str, ignoring_case: bool) -> str:
        begun = self.at - 1
        self.at += 1
        if not self._take("{"):
            raise self._no("unterminated_escape", at=begun)
        name = self._until("}", "unterminated_escape")
        if _CATEGORY.fullmatch(name):
            text = f"\\{letter}{{{name}}}"
            # To .NET a capital letter is one in any case; Python's library would take the small one too.
            return f"(?-i:{text})" if ignoring_case and name in {"Lu", "Ll", "Lt"} else text
        block = _block(name.removeprefix("Is")) if name.startswith("Is") else None
        if block is None:
            raise self._no("unknown_category", name, at=begun)
        return f"\\{letter}{{Block={block}}}"

    def _character(self) -> str:
        """The one character that an escape stands for."""
        begun = self.at - 1
        letter = self._next()
        if not letter:
            raise self._no("unterminated_escape", at=begun)
        self.at += 1
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter in {"x", "u"}:
            return self._code(2 if letter == "x" else 4, begun)
        if letter == "c":
            control = self._next().upper()
            if not control or not "@" <= control <= "_":
                raise self._no("unterminated_escape", at=begun)
            self.at += 1
            return chr(ord(control) - 64)
        if letter in string.octdigits:
            digits = _OCTAL.match(self.source, self.at - 1)
            assert digits is not None
            self.at = digits.end()
            return chr(int(digits[0], 8) & 0xFF)
        if letter.isalnum() or letter == "_":
            raise self._no("unknown_escape", f"\\{letter}", at=begun)
        return letter

    def _code(self, length: int, begun: int) -> str:
        digits = self.source[self.at : self.at + length]
        if not re.fullmatch(rf"[0-9A-Fa-f]{{{length}}}", digits):
            raise self._no("unterminated_escape", at=begun)
        self.at += length
        return chr(int(digits, 16))

    # Classes of characters.

    def _class(self, ignoring_case: bool) -> str:
        """All behind the bracket, up to the one that closes it."""
        begun = self.at - 1
        negated, first, members = self._take("^"), True, ""
        apart: list[str] = []
        while first or self._next() != "]":
            if self.at >= len(self.source):
                raise self._no("unterminated_class", at=begun)
            if not first and self._take("-["):
                return self._without(_set(negated, members, apart), ignoring_case)
            member = self._member(ignoring_case)
            first = False
            if isinstance(member, _Part):
                if member.text.startswith("\\"):
                    members += member.text
                else:
                    apart.append(member.text)
            elif self._next() == "-" and self._next(1) == "[":
                members += _literal(member)
            elif self._next() == "-" and self._next(1) not in {"]", ""}:
                members += self._range(member, ignoring_case)
            else:
                members += _literal(member)
        self.at += 1
        return _set(negated, members, apart)

    def _member(self, ignoring_case: bool) -> str | _Part:
        """One character, or a shorthand as a part."""
        if self._next() == "[" and self._next(1) == ":":
            raise self._no("posix_class")
        self.at += 1
        character = self.source[self.at - 1]
        if character != "\\":
            return character
        if self._take("b"):
            return "\b"
        shorthand = self._shorthand(ignoring_case)
        if shorthand is None:
            return self._character()
        # What is a set of its own is opened into this one; the opposite of \w cannot be.
        return _Part(shorthand[1:-1] if shorthand == _WORD else shorthand)

    def _range(self, low: str, ignoring_case: bool) -> str:
        self.at += 1
        begun = self.at
        high = self._member(ignoring_case)
        if isinstance(high, _Part) or high < low:
            raise self._no("bad_range", at=begun)
        return f"{_literal(low)}-{_literal(high)}"

    def _without(self, base: str, ignoring_case: bool) -> str:
        """[base-[excluded]]"""
        excluded = self._class(ignoring_case)
        if not self._take("]"):
            raise self._no("subtraction_not_last")
        return f"(?:(?!{excluded}){base})"


def _literal(character: str) -> str:
    if character.isalnum() or character == "_" or ord(character) > 127:
        return character
    return f"\\x{ord(character):02x}" if not character.isprintable() else f"\\{character}"


def _set(negated: bool, members: str, apart: list[str]) -> str:
    """One character of the members or of the sets apart, or none of all of them."""
    if not apart:
        return f"[{'^' if negated else ''}{members}]"
    choices = "|".join([*apart, *([f"[{members}]"] if members else [])])
    return f"(?:(?!{choices})(?s:.))" if negated else f"(?:{choices})"


def _switch(before: frozenset[str], after: frozenset[str]) -> str:
    """How a group begins that changes the options; empty where nothing changes that Python has to know."""
    on = "".join(sorted((after - before) & set("ims")))
    off = "".join(sorted((before - after) & set("ims")))
    return f"(?{on}{'-' if off else ''}{off}:" if on or off else ""


def _ways(ways: int, low: int, high: int | None) -> int:
    """In how many ways something can be repeated, in a text of 1,024 characters."""
    if high is None:
        return 1024 if ways == 1 else _ENDLESS
    if ways == 1:
        return high - low + 1
    total, power = 0, 1
    for count in range(high + 1):
        total += power if count >= low else 0
        power *= ways
        if max(power, total) > _ENDLESS:
            return _ENDLESS
    return total


def _block(name: str) -> str | None:
    """The Unicode block of .NET's name for it."""
    if not _BLOCK.fullmatch(name):
        return None
    try:
        regex.compile(rf"\p{{Block={name}}}")
    except regex.error:
        return None
    return name
