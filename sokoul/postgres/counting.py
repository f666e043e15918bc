"""How many rows there are, where counting them would take longer than showing the page."""

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db import connection

MANY = 50_000  # rows, from which on being right to the last one is worth nothing


class Estimated(Paginator):  # type: ignore[type-arg]  # it takes none when it runs
    """The pages of an ordered query set. Of all rows of a large table the number is PostgreSQL's own, of its last ANALYZE."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if not rows.query.where and (about := _estimate(rows.model._meta.db_table)) >= MANY:
            return about
        return int(super().count)

    def _get_page(self, rows: Any, *rest: Any) -> Any:
        """Which rows a page has is found out before they are read, or for a page far down all rows above it were read, too."""
        listed: Any = self.object_list
        return super()._get_page(listed.filter(pk__in=rows.values("pk")), *rest)  # type: ignore[misc]  # no stub has it


def _estimate(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [table])
        return int(cursor.fetchone()[0])
