"""Command → handler and button → handler. Handlers are plain synchronous Django, run on a bounded pool of threads."""

from collections.abc import Callable
from dataclasses import dataclass

from apps.bot.reply import Reply, Sender

Numbers = list[int | None]
OnCommand = Callable[[Sender, str], Reply]
OnPress = Callable[[Sender, Numbers], Reply]


@dataclass(frozen=True)
class Command:
    handle: OnCommand
    open: bool


_commands: dict[str, Command] = {}
_presses: dict[str, OnPress] = {}


def command(name: str, *, open: bool = False) -> Callable[[OnCommand], OnCommand]:
    """Register `handle(sender, what stands after the command)`. Only `open` ones are for the unlinked too."""

    def register(handle: OnCommand) -> OnCommand:
        _commands[name] = Command(handle, open)
        return handle

    return register


def press(verb: str) -> Callable[[OnPress], OnPress]:
    """Register `handle(sender, the button's numbers)`. Buttons are for the linked only."""

    def register(handle: OnPress) -> OnPress:
        _presses[verb] = handle
        return handle

    return register


def of_command(name: str) -> Command | None:
    return _commands.get(name)


def of_press(verb: str) -> OnPress | None:
    return _presses.get(verb)


def commands() -> list[str]:
    return list(_commands)
