"""The media: kind of channel → how to tell something by it. Higher floors register theirs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.accounts.channels.letter import Letter, language_of
from apps.accounts.channels.models import Channel, Kind
from apps.accounts.models import User
from sokoul.errors import PermanentError


class Unusable(PermanentError):
    """The channel cannot work as it is: it is switched off, and its person told why."""


@dataclass(frozen=True)
class Medium:
    """`tell(channel, letter)` gives what becomes the job's result. It may be asked twice to tell the same.

    It raises Unusable, TransientError, or Snooze. `ours`: the operator runs what may fail, so a failure is one of Sokoul's and
    ends in the dead letters; elsewhere it concerns the channel's owner alone.
    """

    tell: Callable[[Channel, Letter], dict[str, Any]]
    ours: bool
    language: Callable[[User], str] = language_of


_media: dict[str, Medium] = {}


def register(kind: Kind, medium: Medium) -> None:
    _media[kind] = medium


def of(channel: Channel) -> Medium:
    return _media[channel.kind]
