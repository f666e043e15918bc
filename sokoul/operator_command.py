"""What the operators' commands share: help with examples, tables or JSON, plain faults, exit status 0, 1 or 2.

0: done, or well. 1: it could not be done, or is not well; one sentence says why and what to do. 2: the command line or the
configuration is wrong. Standard output has the answer alone; progress and warnings go to standard error.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import InterfaceError, OperationalError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from sokoul import component, request_id
from sokoul.errors import SokoulError

WIDE = 160  # columns where no terminal says how wide it is


class _Help(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Examples keep their lines."""


class _Plain:
    """Django's standard output for rich: nothing added at the ends of lines."""

    def __init__(self, output: Any) -> None:
        self._output = output

    def write(self, text: str) -> int:
        self._output.write(text, ending="")
        return len(text)

    def flush(self) -> None:
        self._output.flush()

    def isatty(self) -> bool:
        return bool(self._output.isatty())


class OperatorCommand(BaseCommand):
    """A subclass says `help`, `examples` (command lines without `manage.py`) and `run`."""

    examples: Sequence[str] = ()
    requires_system_checks: Any = []
    suppressed_base_arguments = {  # they work, and help nobody here
        "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color",
    }  # fmt: skip

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        lines = "\n".join(f"  manage.py {example}" for example in self.examples)
        epilog = f"Examples:\n{lines}\n\nExit status: 0 done or well, 1 not, 2 wrong command line or configuration."
        return super().create_parser(prog_name, subcommand, formatter_class=_Help, epilog=epilog, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="answer as JSON, for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json: bool = options.get("json", False)
        with request_id.bound(request_id.new()), component.commanded(type(self).__module__.rpartition(".")[2]):
            try:
                self.run(options)
            except SokoulError as error:
                raise CommandError(error.message) from error
            except (OperationalError, InterfaceError) as error:
                raise CommandError("The database does not answer. Is it running at DATABASE_URL?") from error
            except BrokenPipeError:  # the reader has seen enough, as `head` does
                sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
            except KeyboardInterrupt:
                raise CommandError("Interrupted.", returncode=130) from None

    def run(self, options: dict[str, Any]) -> None:
        """Do it. Raises SokoulError or CommandError."""
        raise NotImplementedError

    @property
    def console(self) -> Console:
        """For people, on standard output."""
        output = _Plain(self.stdout)
        width = None if output.isatty() else WIDE
        return Console(file=output, width=width, highlight=False)  # type: ignore[arg-type]

    def say(self, text: str, style: str = "") -> None:
        """A sentence for people; nothing where JSON was asked for."""
        if not self.as_json:
            self.console.print(Text(text, style=style), soft_wrap=True)

    def tell(self, data: Any) -> None:
        """The whole answer as JSON."""
        self.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z, default=str).decode())

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], styles: Sequence[str] = ()) -> None:
        """`styles`: one a row. What comes from outside is text, never markup."""
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(column, overflow="fold")
        for number, row in enumerate(rows):
            cells = [Text("" if cell is None else str(cell)) for cell in row]
            table.add_row(*cells, style=styles[number] if styles else None)
        self.console.print(table)

    @contextmanager
    def spinner(self, text: str) -> Iterator[None]:
        """Something moves on a terminal while this lasts."""
        with progress(SpinnerColumn(), TextColumn("{task.description}")) as bar:
            bar.add_task(text, total=None)
            yield


def progress(*columns: Any) -> Progress:
    """Progress on standard error, on a terminal only, gone when it is over."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
