"""Bencode (BEP 3), read strictly and under limits, because strangers write it."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sokoul.errors import PermanentError
from sokoul.said import said

MAX_DEPTH = 50
MAX_TOKENS = 200_000  # values: ten thousand files, as v1 and as v2, are about half of it
_DIGITS = frozenset(b"0123456789")


def decode(data: bytes) -> Any:
    """The one value that `data` is: int, bytes, list, or dict with bytes keys. Raises PermanentError on anything else."""
    reader = _Reader(data)
    value = reader.value(0)
    if data[reader.at :].strip(b"\r\n"):
        raise _damaged(gettext_lazy("something follows its end"))
    return value


def info_section(data: bytes) -> bytes:
    """The bytes of the top-level dictionary's "info", exactly as they were written: what the info-hash is made from."""
    reader = _Reader(data)
    if reader.next_byte() != b"d":
        raise _damaged(gettext_lazy("it does not begin with a dictionary"))
    while reader.peek() != b"e":
        key = reader.string()
        start = reader.at
        reader.value(1)
        if key == b"info":
            return data[start : reader.at]
    raise _damaged(gettext_lazy("the part that describes its content is missing"))


def _damaged(why: object) -> PermanentError:
    text = said(
        lambda: _("This is not a valid torrent file: %(why)s. Get it again, or take another release.") % {"why": why}
    )
    return PermanentError(text, code="bad_torrent")


class _Reader:
    """A cursor over the bytes; each method reads one thing and moves `at` behind it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.tokens = data, 0, 0

    def peek(self) -> bytes:
        byte = self.data[self.at : self.at + 1]
        if not byte:
            raise _damaged(gettext_lazy("its end is missing"))
        return byte

    def next_byte(self) -> bytes:
        byte = self.peek()
        self.at += 1
        return byte

    def value(self, depth: int) -> Any:
        self.tokens += 1
        if depth > MAX_DEPTH or self.tokens > MAX_TOKENS:
            raise _damaged(gettext_lazy("it is nested too deeply or has too many parts"))
        kind = self.peek()
        if kind == b"d":
            return self._dictionary(depth)
        if kind == b"l":
            return self._list(depth)
        return self._integer() if kind == b"i" else self.string()

    def string(self) -> bytes:
        length = self._digits(b":")
        value = self.data[self.at : self.at + length]
        if len(value) != length:
            raise _damaged(gettext_lazy("its end is missing"))
        self.at += length
        return value

    def _integer(self) -> int:
        self.at += 1
        negative = self.peek() == b"-"
        self.at += negative
        number = self._digits(b"e")
        return -number if negative else number

    def _digits(self, end: bytes) -> int:
        stop = self.data.find(end, self.at, self.at + 20)
        digits = self.data[self.at : stop] if stop > self.at else b""
        if not digits or not _DIGITS.issuperset(digits):
            raise _damaged(gettext_lazy("a number in it is malformed"))
        self.at = stop + 1
        return int(digits)

    def _list(self, depth: int) -> list[Any]:
        self.at += 1
        items = []
        while self.peek() != b"e":
            items.append(self.value(depth + 1))
        self.at += 1
        return items

    def _dictionary(self, depth: int) -> dict[bytes, Any]:
        self.at += 1
        items: dict[bytes, Any] = {}
        while self.peek() != b"e":
            key = self.string()
            if key in items:
                raise _damaged(gettext_lazy("it says the same thing twice"))
            items[key] = self.value(depth + 1)
        self.at += 1
        return items
