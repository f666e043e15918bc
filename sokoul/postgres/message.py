"""Several statements as one message: one way to PostgreSQL and back, and one transaction where none is open."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connection


class MessagePart(NamedTuple):
    """A statement, without a semicolon, and the values of its placeholders (`%s`)."""

    sql: str
    values: Sequence[Any] = ()


def send(*parts: MessagePart) -> list[tuple[Any, ...]]:
    """The rows of the last part; [] where it has none. If one part fails, none has happened."""
    with connection.cursor() as cursor:
        cursor.execute(";".join(part.sql for part in parts), [value for part in parts for value in part.values])
        while cursor.nextset():
            pass
        return list(cursor.fetchall()) if cursor.description else []
