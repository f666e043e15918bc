"""What an indexer says of a release beside its name, in the words of releases.formats.FLAGS: what it counts there, what it is."""

import re
from collections.abc import Iterable

from apps.downloads.releases.formats import FLAGS

# So much of the download, or of the upload, is counted (Torznab's volume factors).
_DOWNLOAD = {0.0: "freeleech", 0.25: "freeleech75", 0.5: "halfleech", 0.75: "freeleech25"}
_UPLOAD = {2.0: "double_upload"}
COUNTED = frozenset({*_DOWNLOAD.values(), *_UPLOAD.values()})
"""What is so at one indexer only; the others are so wherever the release is offered."""
_WORDS = {flag.replace("_", ""): flag for flag in FLAGS} | {
    "neutralleech": "freeleech"
}  # its upload is not counted either
_OTHER = re.compile(r"[^a-z0-9]")
_NUMBER = re.compile(r"\d{1,3}(\.\d{1,6})?", re.ASCII)


def named(words: Iterable[object]) -> frozenset[str]:
    """Of flags or tags by name, however they are spelled; those that no format asks for are left out."""
    plain = (_OTHER.sub("", word.lower()) for word in words if isinstance(word, str))
    return frozenset(_WORDS[word] for word in plain if word in _WORDS)


def counted(download: str, upload: str) -> frozenset[str]:
    """Of Torznab's volume factors, as they were written; without one everything is counted."""
    found = (_DOWNLOAD.get(_factor(download)), _UPLOAD.get(_factor(upload)))
    return frozenset(flag for flag in found if flag)


def _factor(text: str) -> float:
    return float(text.strip()) if _NUMBER.fullmatch(text.strip()) else 1.0
