#!/usr/bin/env python
"""Sokoul's command line: `python manage.py help` lists what it can do."""

import gc
import importlib
import os
import sys

from sokoul import env

# These run before, or without, a configured installation (check_stack with an address).
NEEDS_NOTHING = {
    "help",
    "demo",
    "smoke",
    "check_stack",
    "parse_release",
    "makemigrations",
    "collectstatic",
    "check",
    "spectacular",
    "test",
}


# What structlog and REST framework load where it is installed, for loggers, colours and pages that nothing here uses.
SPARED = ("structlog.twisted", "rich", "requests", "markdown", "pygments")


def _load() -> None:
    """Django and every app. What they are made of stays until the end: looking through it for garbage, again and again while
    it grows and once more when the process leaves, would take half a second of the processor."""
    import django

    gc.disable()
    sys.modules |= dict.fromkeys(SPARED)  # type: ignore[arg-type]  # an import of None is an ImportError
    django.setup()
    for name in SPARED:
        del sys.modules[name]  # who needs it from now on finds it
    gc.freeze()
    gc.enable()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sokoul.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    wants_help = any(argument in {"--help", "-h", "--version"} for argument in sys.argv)
    if command in {"up", "down"} and not wants_help:  # without Django, which would cost seconds and hold no use
        raise SystemExit(importlib.import_module(f"sokoul.stack.{command}").main())
    if command not in NEEDS_NOTHING and not wants_help:
        env.require_complete()
    from django.core.management import execute_from_command_line

    _load()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
