"""What drf-spectacular cannot see: the second address of every call, the stream, and what any call may be answered."""

from typing import Any

from sokoul.api import DEFAULT_LIMIT, MAX_LIMIT, MAX_PAGE
from sokoul.errors import PROBLEM_JSON

_PROBLEM = {"content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_FILM = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_EVERY_CALL = {
    "429": "You ask too often.",
    "503": "Something that is needed does not answer, or the server is leaving.",
}
_WITH_BODY = {
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is not of a kind that is read here.",
}


def _refusals(**why: str) -> dict[str, dict[str, Any]]:
    return {status.strip("_"): {**_PROBLEM, "description": text} for status, text in why.items()}


_STREAM: dict[str, Any] = {
    "get": {
        "operationId": "downloads_files_stream",
        "summary": "A file of a download, also while it downloads; a session cookie is as good as a token",
        "tags": ["downloads"],
        "security": [{"bearer": []}],
        "parameters": [
            {"in": "path", "name": "download_id", "required": True, "schema": {"type": "integer"}},
            {"in": "path", "name": "index", "required": True, "schema": {"type": "integer"}},
            {"in": "header", "name": "Range", "schema": {"type": "string"}, "example": "bytes=0-1023"},
            {"in": "header", "name": "If-Range", "schema": {"type": "string"}},
        ],
        "responses": {
            "200": {"description": "The whole file.", "content": _FILM},
            "206": {"description": "The range that was asked for.", "content": _FILM},
            **_refusals(
                _401="Nobody is signed in.",
                _403="It belongs to somebody else.",
                _404="There is no such file.",
                _416="The range lies outside of the file.",
            ),
        },
    }
}


# What `sokoul.api.page_of` takes, wherever a call has it.
_BOUNDS = {
    "page": {"minimum": 1, "maximum": MAX_PAGE, "default": 1},
    "limit": {"minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
}


def without_copies(endpoints: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The same calls under /api/v1/ are told by `servers`."""
    return [endpoint for endpoint in endpoints if not endpoint[0].startswith("/api/v1/")]


def completed(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    result["paths"]["/downloads/{download_id}/files/{index}/stream"] = _STREAM
    for path, calls in result["paths"].items():
        for call in calls.values():
            for parameter in call.get("parameters", []):
                parameter["schema"] |= _BOUNDS.get(parameter["name"], {}) if parameter["in"] == "query" else {}
            always = {} if path.startswith("/health") else _EVERY_CALL
            always = always | ({"404": "There is nothing at this address."} if "{" in path else {})
            for status, why in (always | (_WITH_BODY if "requestBody" in call else {})).items():
                call["responses"].setdefault(status, {**_PROBLEM, "description": why})
    for name, shape in result["components"]["schemas"].items():
        if name.endswith("Request"):  # a body, read by a `StrictSerializer`
            shape["additionalProperties"] = False
    return result
