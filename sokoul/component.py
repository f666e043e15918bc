"""Which part of Sokoul this process is, by the command that started it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

COMPONENTS = {"serve": "web", "scout": "scout", "hunter": "hunter", "bot": "bot", "relay": "relay"}
_command = next((word for word in sys.argv[1:2] if not word.startswith("-")), "sokoul")

NAME = COMPONENTS.get(_command, _command)
IS_COMPONENT = _command in COMPONENTS
"""Whether it runs for long, and so has logs on standard output and metrics; a command's output is its answer alone."""

_at_hand: ContextVar[str] = ContextVar("command", default="")


def command() -> str:
    """The operator's command that runs now, "dlq" for instance; empty in everything else."""
    return _at_hand.get()


@contextmanager
def commanded(name: str) -> Iterator[None]:
    """Everything inside is done by the operator with this command."""
    token = _at_hand.set(name)
    try:
        yield
    finally:
        _at_hand.reset(token)
