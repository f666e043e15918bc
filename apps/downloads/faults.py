"""Why a release is given up: what is its own fault, and neither ours, nor the disk's, nor the indexer's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from sokoul.errors import SokoulError

BY_HAND = "by_hand"
# Stable codes and what people read. A PermanentError with one of these codes says that the release is to blame.
PHRASES: Mapping[str, Any] = {
    "no_metadata": gettext_lazy("nobody sent what it holds"),
    "stalled": gettext_lazy("it stood still"),
    "no_video": gettext_lazy("it holds nothing to play"),
    "dangerous": gettext_lazy("it holds a program posing as a film"),
    "archived": gettext_lazy("it is packed in archives"),
    "only_samples": gettext_lazy("it holds nothing but samples"),
    "release_gone": gettext_lazy("the indexer has it no longer"),
    "bad_torrent": gettext_lazy("its torrent is damaged"),
    "bad_magnet": gettext_lazy("its magnet link is damaged"),
    "wrong_hash": gettext_lazy("it is another torrent than the indexer said"),
    "same_torrent": gettext_lazy("it is the same torrent as one that was given up"),
    BY_HAND: gettext_lazy("you did not want it"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` is one of PHRASES; `reason` the sentence with its figures (`said`)."""

    code: str
    reason: str


def phrase(code: str) -> str:
    """In the language that is active; a code that is not known any more speaks for itself."""
    return str(PHRASES.get(code, code))


def of(error: SokoulError) -> Fault | None:
    """The release's fault in an error; None where it is somebody else's."""
    return named(getattr(error, "code", ""), error.message)


def named(code: str, reason: str) -> Fault | None:
    return Fault(code, reason) if code in PHRASES else None
