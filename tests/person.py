"""Somebody who uses a running Sokoul over REST."""

from typing import Any, Protocol

import httpx

from tests.waiting import until


class Served(Protocol):
    """A running product: `http` is a client whose base is its address."""

    http: httpx.Client


class Person:
    """Somebody with a token and a client."""

    def __init__(self, product: Served, name: str = "alice") -> None:
        self.http = product.http
        answer = self.call("POST", "/auth/register", email=f"{name}@example.com", username=name, password="long enough")
        self.token = answer["access"]

    def raw(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
        if token := getattr(self, "token", ""):
            headers["Authorization"] = f"Bearer {token}"
        return self.http.request(method, path, json=body, headers=headers)

    def call(self, method: str, path: str, **body: Any) -> Any:
        answer = self.raw(method, path, body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def find(self, query: str) -> int:
        return int(self.call("GET", f"/search?query={query}")["results"][0]["id"])

    def download(self, download_id: int) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/downloads/{download_id}")
        return found

    def completes(self, download_id: int, within: float = 60) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            row = self.download(download_id)
            return row if row["status"] in {"Completed", "Failed"} else None

        row = until(ended, within, "the end of the download")
        assert row is not None
        assert row["status"] == "Completed", row
        return row
