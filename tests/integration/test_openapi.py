"""The API's description: valid, complete, and readable without any other host."""

import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.models import User
from sokoul.api import Page, Statement
from tests.cast import Api
from tests.web import Web

Clients = Callable[[User | None], Api]
# For people, and for those who do not follow a description.
UNDESCRIBED = r"^(app/|dashboard|static/|posters/|telegram/|schema|docs|metrics|favicon|jsi18n|i18n/|$)"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    from drf_spectacular.generators import SchemaGenerator

    described: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return described


def addresses(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, path)
        else:
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)


def test_it_is_valid_and_without_a_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_every_address_is_described_and_stands_under_api_v1_too(schema: dict[str, Any]) -> None:
    found = set(addresses(get_resolver().url_patterns))
    plain = {path for path in found if not path.startswith("api/v1/") and not re.match(UNDESCRIBED, path)}
    assert {f"/{path}" for path in plain} | {"/downloads/{download_id}/files/{index}/stream"} == set(schema["paths"])
    assert {f"api/v1/{path}" for path in plain} <= found
    assert [server["url"] for server in schema["servers"]] == ["/", "/api/v1"]


def test_every_call_says_what_it_is_and_how_it_is_refused(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1.")
    for path, calls in schema["paths"].items():
        for method, call in calls.items():
            assert call["summary"], (method, path)
            if {} not in call.get("security", [{}]):
                assert "401" in call["responses"], (method, path)
            if "{" in path:
                assert "404" in call["responses"], (method, path)
            if "requestBody" in call:
                assert {"400", "413", "415"} <= set(call["responses"]), (method, path)


def test_every_call_but_health_tells_its_limits(schema: dict[str, Any]) -> None:
    named = set(schema["components"]["headers"])
    assert {"RateLimit-Policy", "RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} < named
    unlimited = {path for path in schema["paths"] if path.startswith("/health")}
    for path, calls in schema["paths"].items():
        for method, call in calls.items():
            if path in unlimited or path.endswith("/stream"):
                assert not any("headers" in answer for answer in call["responses"].values()), (method, path)
                continue
            told = {status: set(answer.get("headers", ())) for status, answer in call["responses"].items()}
            assert told["429"] == named, (method, path)
            assert all("RateLimit" in told[status] for status in told if status[0] == "2"), (method, path)


@pytest.mark.django_db
def test_moments_of_lists_that_the_database_writes_end_with_z() -> None:
    """Those of all other answers are looked at where every route is walked (test_permissions)."""
    moment, text = "2026-11-26T19:36:41.5+00:00", '"seen_at":"2026-11-26T19:36:41+00:00"'
    made = Statement(
        f"SELECT '{moment}'::timestamptz AS made_at, '{moment}' AS title, '{text}' AS name {{window}}", "SELECT 1"
    )
    (row,) = orjson.loads(orjson.dumps(made.json(Page(1, 1))))["results"]
    assert row == {"made_at": "2026-11-26T19:36:41.5Z", "title": moment, "name": text}


@pytest.mark.django_db(transaction=True)
def test_it_is_served_and_its_page_asks_no_other_host(web: Web) -> None:
    described = web.get("/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert described.status_code == 200
    assert described.json()["openapi"].startswith("3.1.")
    page = web.get("/docs", headers={"Accept": "text/html"})
    assert page.status_code == 200
    sources = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert sources
    for source in sources:
        assert source.startswith(("/", "data:")), source
        assert web.get(source).status_code == 200, source
    assert not re.search(r"https?://(?!127\.0\.0\.1)", page.text)
