"""Telegram's HTML (core.telegram.org/bots/api#html-style): text and entities, or the error that Telegram gives."""

from html.parser import HTMLParser
from typing import Any

TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "code": "code", "pre": "pre",
    "a": "text_link", "tg-spoiler": "spoiler", "blockquote": "blockquote", "span": "spoiler", "tg-emoji": "custom_emoji",
}  # fmt: skip


class MarkupError(ValueError):
    """Telegram would refuse this text; the message is the end of its description."""


def utf16(text: str) -> int:
    """Length as Telegram counts it: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.entities: list[dict[str, Any]] = []
        self._open: list[tuple[str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise MarkupError(f'Unsupported start tag "{tag}" at byte offset {self.getpos()[1]}')
        entity: dict[str, Any] = {"type": TAGS[tag], "offset": utf16(self.text), "length": 0}
        if tag == "a":
            entity["url"] = dict(attrs).get("href")
        self._open.append((tag, entity))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            raise MarkupError(f"Unexpected end tag at byte offset {self.getpos()[1]}")
        entity = self._open.pop()[1]
        entity["length"] = utf16(self.text) - entity["offset"]
        if entity["length"]:
            self.entities.append(entity)

    def handle_data(self, data: str) -> None:
        self.text += data

    def close(self) -> None:
        super().close()
        if self._open:
            raise MarkupError(f'Can\'t find end tag corresponding to start tag "{self._open[-1][0]}"')


def parse(text: str) -> tuple[str, list[dict[str, Any]]]:
    """(what people see, its entities in order); raises MarkupError."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.text.strip(), sorted(reader.entities, key=lambda entity: (entity["offset"], -entity["length"]))
