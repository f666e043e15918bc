"""The two errors that decide everything, and how HTTP tells them (RFC 9457 problem documents).

A handler, service or client raises PermanentError (repeating it cannot help) or TransientError (it can). Two edges map them:
HTTP (4xx, 503 with Retry-After) and the worker (dead-letter queue, or another attempt).
"""

from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpResponse
from django.utils.translation import gettext as _

from sokoul import request_id

PROBLEM_JSON = "application/problem+json"


class SokoulError(Exception):
    """Base of both. `message` is for people: what is wrong and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PermanentError(SokoulError):
    """Repeating it unchanged cannot help. `code` is stable, `status` the HTTP status, `fields` {field: [sentence]}.

    `retry_after`: seconds after which a client that asks too often may ask again.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid",
        status: int = 400,
        fields: dict[str, list[str]] | None = None,
        extra: dict[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.status, self.fields, self.extra = code, status, fields or {}, extra or {}
        self.retry_after = retry_after


class TransientError(SokoulError):
    """It may work later. `retry_after` is what the provider asked for, in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def not_found(what: str) -> PermanentError:
    return PermanentError(f"{what} was not found.", code="not_found", status=404)


def forbidden(message: str = "") -> PermanentError:
    return PermanentError(message or _("That belongs to somebody else."), code="forbidden", status=403)


def conflict(message: str, **extra: Any) -> PermanentError:
    return PermanentError(message, code="conflict", status=409, extra=extra)


def problem(status: int, detail: str, *, code: str = "", **extra: Any) -> dict[str, Any]:
    """The problem document itself; `extra` members stand beside the standard ones."""
    return {
        "type": f"about:blank#{code}" if code else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id.current(),
        **extra,
    }


def problem_response(
    status: int, detail: str, *, code: str = "", retry_after: float | None = None, **extra: Any
) -> HttpResponse:
    """A problem document as a Django answer; Retry-After in whole seconds, at least 1."""
    response = HttpResponse(
        orjson.dumps(problem(status, detail, code=code, **extra)), status=status, content_type=PROBLEM_JSON
    )
    if status == HTTPStatus.UNAUTHORIZED:  # RFC 9110, 15.5.2: a 401 has to name a way in
        response["WWW-Authenticate"] = 'Bearer realm="sokoul"'
    if retry_after is not None:
        response["Retry-After"] = str(max(1, round(retry_after)))
    return response


def as_response(error: SokoulError) -> HttpResponse:
    """What a client is told of one of our errors."""
    if isinstance(error, PermanentError):
        fields: dict[str, Any] = {"errors": error.fields} if error.fields else {}
        return problem_response(
            error.status, error.message, code=error.code, retry_after=error.retry_after, **fields, **error.extra
        )
    retry_after = error.retry_after if isinstance(error, TransientError) and error.retry_after else 5
    return problem_response(503, error.message, code="unavailable", retry_after=retry_after)
