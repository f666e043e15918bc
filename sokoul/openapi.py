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
_LIMITS: dict[str, dict[str, Any]] = {
    "RateLimit-Policy": {
        "description": 'Every limit that this call counts against: `"name";q=requests;w=seconds`, separated by commas '
        "(draft-ietf-httpapi-ratelimit-headers-11).",
        "schema": {"type": "string"},
        "example": '"user";q=100;w=60, "ip";q=1000;w=60',
    },
    "RateLimit": {
        "description": "Of each limit, how many more calls there is room for (`r`), and in how many seconds there is more (`t`).",
        "schema": {"type": "string"},
        "example": '"user";r=99;t=60, "ip";r=999;t=60',
    },
    "RateLimit-Limit": {
        "description": "Calls a minute of the limit that is nearest to its end.",
        "schema": {"type": "integer"},
    },
    "RateLimit-Remaining": {
        "description": "How many more calls that limit has room for.",
        "schema": {"type": "integer"},
    },
    "RateLimit-Reset": {
        "description": "Seconds until it has room for one more.",
        "schema": {"type": "integer"},
    },
}
_RETRY_AFTER = {"description": "Seconds to wait before the next call.", "schema": {"type": "integer"}}


def _refusals(**why: str) -> dict[str, dict[str, Any]]:
    return {status.strip("_"): {**_PROBLEM, "description": text} for status, text in why.items()}


_STREAM: dict[str, Any] = {
    "get": {
        "operationId": "downloads_files_stream",
        "summary": "A file of a download, also while it downloads; a session cookie is as good as a token",
        "tags": ["downloads"],
        "security": [{"bearer": []}, {"apiKey": []}],
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
            if not path.startswith("/health") and call is not _STREAM["get"]:
                _tell_limits(call)
    result["components"]["headers"] = {**_LIMITS, "Retry-After": _RETRY_AFTER}
    for name, shape in result["components"]["schemas"].items():
        if name.endswith("Request"):  # a body, read by a `StrictSerializer`
            shape["additionalProperties"] = False
    return result


def _tell_limits(call: dict[str, Any]) -> None:
    """With every answer of a view, also a refusal; whom TRUSTED_IPS names gets none, for no limit holds there."""
    for status, answer in call["responses"].items():
        if status in {"408", "413"}:  # by the server, before it counts
            continue
        names = [*_LIMITS, *(["Retry-After"] if status == "429" else [])]
        own = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        answer["headers"] = {**answer.get("headers", {}), **own}
