"""Which part of Sokoul this process is, by the command that started it."""

import sys

COMPONENTS = {"serve": "web", "scout": "scout", "hunter": "hunter", "bot": "bot", "relay": "relay"}
_command = next((word for word in sys.argv[1:2] if not word.startswith("-")), "sokoul")

NAME = COMPONENTS.get(_command, _command)
IS_COMPONENT = _command in COMPONENTS
"""Whether it runs for long, and so has logs on standard output and metrics; a command's output is its answer alone."""
