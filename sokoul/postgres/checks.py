"""Conditions of CHECK constraints that several tables share."""

from typing import Literal

from django.db.models import Func, TextField, Value
from django.db.models.lookups import Exact


def json_is(column: str, kind: Literal["object", "array"]) -> "Exact[str]":
    """The JSON document of this column is one of that kind (PostgreSQL's jsonb_typeof)."""
    return Exact(Func(column, function="jsonb_typeof", output_field=TextField()), Value(kind))
