"""People who use the product while it breaks: each asks for one thing after another over the public API and writes down
what they were told.

What a client cannot know it does not guess: no answer, and a 503 (which may come after the work was done), are unknown, and only
what may be repeated is repeated.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from tests.chaos.ledger import Ledger, Operation, Outcome
from tests.demo import Content, Demo

PATIENCE = 35.0  # seconds; the product's own longest is 30
PASSWORD = "long enough"
FILMS = ("last night tram", "snail express", "robot", "ninety-nine kites", "orchard", "umbrella")
SERIES = "harbour cats"
DURATION = 10_000.0  # of a title that is watched; positions only ever go up
# What each operation may be answered, besides 503.
DOCUMENTED: dict[str, set[int]] = {
    "register": {201, 400}, "login": {200}, "refresh": {200, 401}, "titles": {200}, "search": {202}, "download": {202, 409, 429},
    "favorite": {200, 201, 204}, "watch": {200}, "read": {200}, "broadcast": {200, 201, 202}, "setup": {200, 201, 202, 204},
}  # fmt: skip
READS = ("/library", "/downloads", "/jobs", "/notifications", "/media/favorites", "/watch-history", "/user/profile")


class Api:
    """The public API as a client sees it; every call is an operation in the ledger."""

    def __init__(self, url: str, ledger: Ledger) -> None:
        self.ledger = ledger
        self._http = httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=httpx.Limits(max_connections=200))

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, operation: Operation, method: str, path: str, body: Any = None, token: str = "") -> Operation:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._http.request(method, path, json=body, headers=headers)
        except httpx.ConnectError as error:
            return self.ledger.end(operation, Outcome.REFUSED, fault=f"no connection: {error}")
        except (httpx.TransportError, TimeoutError) as error:
            return self.ledger.end(operation, Outcome.UNKNOWN, fault=f"no answer: {type(error).__name__}")
        return self._note(operation, answer)

    def _note(self, operation: Operation, answer: httpx.Response) -> Operation:
        status = answer.status_code
        outcome = Outcome.ACKNOWLEDGED if answer.is_success else Outcome.UNKNOWN if status >= 500 else Outcome.REFUSED
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = {}
        return self.ledger.end(operation, outcome, status=status, answer=content, fault=_fault(operation, answer))


def _fault(operation: Operation, answer: httpx.Response) -> str:
    """What the contract does not allow about an answer."""
    status = answer.status_code
    if status == 503:
        if answer.headers.get("content-type") != "application/problem+json":
            return "a 503 that is no problem document"
        return "" if "retry-after" in answer.headers else "a 503 without Retry-After"
    return "" if status in DOCUMENTED[operation.kind] else f"status {status}: {answer.text[:300]}"


@dataclass
class Contents:
    """Small films in the swarm, made when somebody wants a new one; people often want what others want."""

    demo: Demo
    made: list[Content] = field(default_factory=list)

    async def pick(self, dice: random.Random) -> Content:
        if self.made and dice.random() < 0.4:
            return dice.choice(self.made)
        number = len(self.made) + 1
        name = f"Harbour.Cats.S{10 + number // 90}E{1 + number % 90:02}.720p.WEB-DL-CHAOS{number}"
        file = {"path": f"{name}.mp4", "source": "sample", "size": dice.randrange(300_000, 2_500_000)}
        content = await asyncio.to_thread(
            self.demo.add_content, name, [file], dice.choice(["v1", "v1", "v2", "hybrid"]), piece_size=65_536
        )
        self.made.append(content)
        return content


class Person:
    """One user. `act()` does one thing; things are done one after another."""

    def __init__(self, api: Api, name: str, contents: Contents, seed: int, password: str = PASSWORD) -> None:
        self.name, self.password, self.user_id, self.token = name, password, 0, ""
        self._api, self._contents = api, contents
        self._dice = random.Random(f"{seed}/{name}")
        self._refresh = ""
        self.films: dict[str, int] = {}
        self._series = self._position = self._others = 0

    def ops(self) -> list[tuple[int, Callable[[], Awaitable[object]]]]:
        """What people do, and how often."""
        return [
            (6, self.like), (6, self.watch), (5, self.read), (3, self.look_for_titles), (2, self.search), (4, self.wish_series),
            (1, self.wish_film), (2, self.refresh), (1, self.sign_in), (1, self.bring_a_friend),
        ]  # fmt: skip

    async def act(self) -> None:
        weights, ops = zip(*self.ops(), strict=True)
        await self._dice.choices(ops, weights)[0]()

    async def live(self, stop: asyncio.Event, pause: float) -> None:
        while not stop.is_set():
            await self.act()
            await asyncio.sleep(self._dice.uniform(pause / 2, pause * 3 / 2))

    async def _ask(
        self, kind: str, method: str, path: str, body: Any = None, *, key: str = "", value: Any = None
    ) -> Operation:
        operation = self._api.ledger.begin(kind, self.name, key, value)
        return await self._api.ask(operation, method, path, body, self.token)

    # --- who they are -------------------------------------------------------------------------------------------------

    async def register(self) -> Operation:
        body = {"email": f"{self.name}@example.com", "username": self.name, "password": self.password}
        done = await self._ask("register", "POST", "/auth/register", body, key=f"user:{self.name}", value=self.name)
        self._take_tokens(done)
        return done

    async def sign_in(self) -> Operation:
        body = {"username": self.name, "password": self.password}
        done = await self._ask("login", "POST", "/auth/login", body)
        self._take_tokens(done)
        return done

    async def refresh(self) -> None:
        """A refresh whose answer was lost has used its token up: only signing in again helps."""
        done = await self._ask("refresh", "POST", "/auth/refresh", {"refresh": self._refresh})
        self._take_tokens(done)
        while done.outcome is not Outcome.ACKNOWLEDGED:
            await asyncio.sleep(0.5)
            done = await self.sign_in()
            if done.outcome is Outcome.REFUSED and done.status:
                return  # told why: the invariants have something to say

    def _take_tokens(self, done: Operation) -> None:
        if done.outcome is Outcome.ACKNOWLEDGED:
            self.token, self._refresh = done.answer["access"], done.answer["refresh"]
            self.user_id = done.answer.get("user", {}).get("id", self.user_id)

    async def bring_a_friend(self) -> None:
        self._others += 1
        await Person(self._api, f"{self.name}.friend{self._others}", self._contents, self._others).register()

    # --- what they do -------------------------------------------------------------------------------------------------

    async def settle_in(self, films: int) -> None:
        """Before anything breaks: an account, and the titles that everything else is about."""
        await self.register()
        for query in FILMS[:films]:
            self.films[query] = await self._found(query)
        self._series = await self._found(SERIES)

    async def _found(self, query: str) -> int:
        done = await self._ask("setup", "GET", f"/search?query={quote(query)}")
        return int(done.answer["results"][0]["id"])

    async def link_telegram(self, telegram_id: int, demo: Demo) -> None:
        """As a person does: take the link to the bot (once that has introduced itself), press Start, confirm on the web."""
        url = ""
        while not url:
            await asyncio.sleep(0.1)
            url = (await self._ask("setup", "POST", "/user/telegram/link")).answer.get("url", "")
        code = url.rpartition("=")[2]
        await asyncio.to_thread(demo.telegram_update, user_id=telegram_id, text=f"/start {code}")
        state = ""
        while state != "asked":
            await asyncio.sleep(0.1)
            state = (await self._ask("setup", "GET", "/user/telegram")).answer["state"]
        await self._ask("setup", "POST", "/user/telegram/confirm")

    async def like(self) -> None:
        media_id = self._dice.choice(list(self.films.values()))
        key, on = f"favorite:{self.name}:{media_id}", self._dice.random() < 0.6
        if on:
            await self._ask("favorite", "POST", "/media/favorite", {"media_id": media_id}, key=key, value=True)
        else:
            await self._ask("favorite", "DELETE", f"/media/favorite/{media_id}", key=key, value=False)

    async def watch(self) -> None:
        media_id = self._dice.choice(list(self.films.values()))
        self._position += 1
        body = {"media_id": media_id, "position": float(self._position), "duration": DURATION}
        key = f"watch:{self.name}:{media_id}"
        await self._ask("watch", "PUT", "/watch-history", body, key=key, value=float(self._position))

    async def read(self) -> None:
        await self._ask("read", "GET", self._dice.choice(READS))

    async def look_for_titles(self) -> None:
        await self._ask("titles", "GET", f"/search?query={quote(self._dice.choice(list(self.films)))}")

    async def search(self) -> None:
        media_id = self.films[self._dice.choice(list(self.films))]
        done = await self._ask("search", "POST", "/search", {"media_id": media_id})
        done.key = f"job:{done.answer.get('job_id', '')}"

    async def wish_film(self) -> None:
        """Whatever release is best; a title is downloaded once."""
        await self._wish({"media_id": self.films[self._dice.choice(list(self.films))]})

    async def wish_series(self) -> None:
        try:
            content = await self._contents.pick(self._dice)
        except (httpx.TransportError, AssertionError):
            return  # the world outside is not reached either
        await self._wish({"media_id": self._series, "magnet": content.magnet})

    async def _wish(self, body: dict[str, Any]) -> None:
        await self._ask("download", "POST", "/downloads/start", body, value=body.get("magnet", body["media_id"]))


class Admin(Person):
    """Tells everybody something now and then."""

    def ops(self) -> list[tuple[int, Callable[[], Awaitable[object]]]]:
        return [(1, self.broadcast), (1, self.refresh), (2, self.read)]

    async def broadcast(self) -> None:
        self._position += 1
        text = f"broadcast {self._position}"
        await self._ask("broadcast", "POST", "/admin/broadcast", {"text": text}, key=text, value=text)
