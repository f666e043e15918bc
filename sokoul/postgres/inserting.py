"""A new row as one part of a message, where Django's own way would send it alone."""

import functools
from typing import Any

from django.db import connection
from django.db.models import Model

from sokoul.postgres.message import MessagePart


def inserting(row: Model) -> MessagePart:
    """What `row.save(force_insert=True)` sends, for a model without signals. Its key is there already, or the database's to make.

    The row does not learn that it was saved: who wants to change it reads it anew.
    """
    sql, fields = _statement(type(row), row.pk is not None)
    return MessagePart(sql, [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields])


@functools.cache
def _statement(model: type[Model], keyed: bool) -> tuple[str, list[Any]]:
    fields = [field for field in model._meta.concrete_fields if keyed or not field.primary_key]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({places})", fields  # noqa: S608 - our own names
