"""What every REST view shares: JSON by orjson, problem documents, paging, strict request bodies."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, NamedTuple, TypeVar

import orjson
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404, HttpResponse
from rest_framework import exceptions, serializers
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from sokoul import logs
from sokoul.errors import PROBLEM_JSON, PermanentError, SokoulError, as_response, problem_response

log = logs.logger(__name__)
MAX_LIMIT = 100
DEFAULT_LIMIT = 20
MAX_PAGE = 1_000_000
# A moment as PostgreSQL writes it. A quote within a text is escaped, so that no text can hold this.
_MOMENT = re.compile(r'("\w+_at":"\d{4}-\d\d-\d\dT[\d:.]+)\+00:00"')


class OrjsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC, default=str)


class OrjsonParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return orjson.loads(stream.read())
        except orjson.JSONDecodeError as error:
            raise exceptions.ParseError(f"The request body is not valid JSON: {error}.") from error


class StrictSerializer(serializers.Serializer[Any]):
    """A request body: unknown fields are refused, NUL characters too (PostgreSQL cannot store them)."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := [str(key) for key in data if key not in self.fields]):
            raise serializers.ValidationError({key: ["This field is not known."] for key in unknown[:20]})
        return super().to_internal_value(data)


class ProblemSerializer(serializers.Serializer[Any]):
    """What every error looks like (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong and what to do, for people.")
    request_id = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # a field, which hides no property of the instance
        child=serializers.ListField(child=serializers.CharField()), required=False, help_text="By field."
    )


def problems(*statuses: int) -> dict[tuple[int, str], type[ProblemSerializer]]:
    """For `extend_schema(responses={200: …, **problems(400, 401)})`."""
    return {(status, PROBLEM_JSON): ProblemSerializer for status in statuses}


S = TypeVar("S", bound=StrictSerializer)


def body(serializer: type[S], request: Request) -> dict[str, Any]:
    """The validated request body; a 400 problem that names each field at fault otherwise."""
    filled = serializer(data=request.data)
    filled.is_valid(raise_exception=True)
    return dict(filled.validated_data)


class Page(NamedTuple):
    page: int
    limit: int

    @property
    def rows(self) -> slice:
        return slice((self.page - 1) * self.limit, self.page * self.limit)


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most and len(text) <= 9):
        raise PermanentError(f"{name} must be a whole number from 1 to {most}.", fields={name: [f"1 to {most}"]})
    return int(text)


def page_of(request: Request) -> Page:
    """`page` (from 1) and `limit` (1–100, default 20) of the query string; 400 for anything else."""
    return Page(_number(request, "page", 1, MAX_PAGE), _number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT))


def listing(results: Sequence[Any], total: int, page: Page) -> dict[str, Any]:
    """The one shape of every list."""
    return {"results": list(results), "page": page.page, "limit": page.limit, "total": total}


@dataclass(frozen=True)
class Statement:
    """A list that is asked for often, as SQL: building its query takes Django longer than answering it takes PostgreSQL.

    `entries` selects what an entry of the answer has, by those names; it holds ORDER BY and, where it finds the rows of a page
    and joins nothing yet, `{window}`: a page in the middle of 100,000 rows is then as near as an index can bring it. `count`
    counts them all.
    """

    entries: str
    count: str

    def __post_init__(self) -> None:
        if "{window}" not in self.entries:
            raise ValueError("A list needs its {window}: it would be the whole of it.")

    def rows(self, page: Page, **values: Any) -> dict[str, Any]:
        """The page, its entries as dictionaries."""
        with connection.cursor() as cursor:
            cursor.execute(self._page(page), values)
            names = [column.name for column in cursor.description or ()]
            entries = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            cursor.execute(self.count, values)
            return listing(entries, cursor.fetchone()[0], page)

    def json(self, page: Page, **values: Any) -> dict[str, Any]:
        """The page, its entries as JSON made by PostgreSQL: a third of the time of making it here. Moments (`…_at`) end with Z, as
        everywhere."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"""SELECT (SELECT coalesce(json_agg(entry), '[]')::text FROM ({self._page(page)}) entry),
                ({self.count})""",  # noqa: S608 - constants, and whole numbers
                values,
            )
            entries, total = cursor.fetchone()
        return {**listing([], total, page), "results": orjson.Fragment(_MOMENT.sub(r'\1Z"', entries))}

    def _page(self, page: Page) -> str:
        return self.entries.replace("{window}", f"LIMIT {page.limit:d} OFFSET {page.rows.start:d}")


def _fields(detail: Any) -> dict[str, list[str]]:
    if isinstance(detail, dict):
        return {
            str(key): [str(item) for item in value] if isinstance(value, list) else [str(value)]
            for key, value in detail.items()
        }
    return {"body": [str(item) for item in detail]} if isinstance(detail, list) else {}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's hook: every error of a view as a problem document; None lets an unexpected one become a plain 500."""
    if isinstance(error, SokoulError):
        return as_response(error)
    if isinstance(error, OperationalError | InterfaceError):
        log.error("database unavailable", error=str(error))
        return problem_response(503, "The database does not answer. Try again shortly.", code="database", retry_after=5)
    if isinstance(error, Http404):
        return problem_response(404, "There is nothing here.", code="not_found")
    if isinstance(error, PermissionDenied):
        return problem_response(403, "You may not do that.", code="forbidden")
    if isinstance(error, exceptions.ValidationError):
        fields = _fields(error.detail)
        first = next((f"{name}: {texts[0]}" for name, texts in fields.items() if texts), "Invalid input.")
        return problem_response(400, first, code="invalid", errors=fields)
    if isinstance(error, exceptions.APIException):
        wait = getattr(error, "wait", None)
        response = problem_response(
            error.status_code, str(error.detail), code=str(error.default_code), retry_after=wait
        )
        if challenge := getattr(error, "auth_header", None):
            response["WWW-Authenticate"] = challenge
        return response
    return None
