"""XML of strangers: no DOCTYPE, so no entities, and no more elements than a page can have; usual faults are mended."""

import html
import re
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_ELEMENTS = 200_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_AMPERSAND = re.compile(r"&(?!(?:#\d+|#x[0-9a-fA-F]+|amp|lt|gt|quot|apos);)(\w+;)?")


class BadXmlError(Exception):
    """Not XML, or XML that nobody needs."""


def parse(data: bytes) -> Element:
    """The tree; names of elements in a namespace are `{uri}name`. Raises BadXmlError."""
    data = data.strip()
    try:
        return _tree(data)
    except (expat.ExpatError, LookupError):
        pass  # often only a control character, a bare ampersand or an entity of HTML
    try:
        return _tree(_mended(data))
    except (expat.ExpatError, LookupError, AssertionError, ValueError) as error:
        raise BadXmlError(str(error)[:100]) from None


def _mended(data: bytes) -> bytes:
    text = _CONTROL.sub("", data.decode("utf-8", "replace"))
    return _AMPERSAND.sub(_entity, text).encode()


def _entity(found: re.Match[str]) -> str:
    """&eacute; → é; an ampersand that begins nothing that HTML knows → &amp;."""
    plain = html.unescape(found.group()) if found.group(1) else "&"
    return html.escape(plain)


def _tree(data: bytes) -> Element:
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    count = 0

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS:
            raise BadXmlError("too many elements")
        builder.start(_named(tag), {_named(name): value for name, value in attributes.items()})

    def refuse(*_: object) -> None:
        raise BadXmlError("it has a DOCTYPE")

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda tag: builder.end(_named(tag))
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(data, True)
    return builder.close()


def _named(tag: str) -> str:
    return "{" + tag if "}" in tag else tag
