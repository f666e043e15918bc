"""A house with people in it: accounts, sockets, jobs behind the API, and the load that all of them make together."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.chaos import evidence
from tests.chaos.house import ADMIN_PASSWORD, House
from tests.chaos.ledger import Ledger
from tests.chaos.people import Admin, Api, Contents, Person
from tests.chaos.schedule import Ability
from tests.chaos.sockets import Reader
from tests.chaos.work import Client, Work

QUIET_WITHIN = (
    240.0  # seconds for everything that was accepted to end: a takeover, and a tracker asked again after a minute
)
SOCKETS_WITHIN = 15.0
ADMIN_PAUSE = 5.0
FIRST_TELEGRAM_ID = 1000


@dataclass(frozen=True)
class Settings:
    """Seconds, but for `seed`, `people`, `films` and `disk_mib`. `gap` lies between the beginnings of two faults, `pause` between
    two operations of one person. `timed`: whether the bars for recovery count, which say nothing of a machine full of tests.
    `linked`: whether people use Telegram, which may be told of the last notification a minute later.
    """

    seed: int
    seconds: float
    gap: float = 7.0
    people: int = 5
    films: int = 6
    timed: bool = True
    linked: bool = True
    pause: float = 0.4
    hunter_lease: int = 20  # the product's own defaults
    job_lease: int = 30

    @property
    def disk_mib(self) -> int:
        return 256 + int(self.seconds)


@dataclass
class Life:
    """`begin()`, then `going_on()` around whatever happens, then `quieten()`. `tell` gets what happens, line by line."""

    settings: Settings
    folder: Path
    able: set[Ability]
    tell: Callable[[str], None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    people: list[Person] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)

    def __post_init__(self) -> None:
        leases = (self.settings.hunter_lease, self.settings.job_lease)
        self.house = House(self.folder, self.able, leases, self.settings.disk_mib)
        self.ledger = Ledger(self.folder / "ledger.jsonl")
        self._reading: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Everything runs, and every program has done each kind of its work once."""
        await self.house.start()
        self.tell("Sokoul is up.")
        self._api = Api(self.house.url("web"), self.ledger)
        await self._move_in()
        await self._warm_up()
        self.tell("People have moved in.")

    async def _move_in(self) -> None:
        seed, contents = self.settings.seed, Contents(self.house.demo)
        self.people = [Person(self._api, f"person{n}", contents, seed) for n in range(1, self.settings.people + 1)]
        for number, person in enumerate(self.people):
            await person.settle_in(self.settings.films)
            if self.settings.linked:
                await person.link_telegram(FIRST_TELEGRAM_ID + number, self.house.demo)
        self._admin = Admin(self._api, "admin", contents, seed, ADMIN_PASSWORD)
        await self._admin.sign_in()
        self._listen()
        self._client = Client(self.house.environment())
        await self._client.start()
        users = [person.user_id for person in self.people]
        self._work = Work(self._client, self.ledger, self.house.url("nats"), users)

    def _listen(self) -> None:
        """One socket each, two for the first person."""
        address = self.house.url("web").replace("http", "ws", 1) + "/ws"
        for person in (*self.people, self.people[0]):
            self.readers.append(Reader(person.name, address, lambda person=person: person.token))  # type: ignore[misc]
        self._reading = [asyncio.create_task(reader.read()) for reader in self.readers]

    async def _warm_up(self) -> None:
        await self._work.warm_up()
        for person in self.people:
            await asyncio.gather(person.search(), person.wish_series(), person.read(), person.look_for_titles())
        await self._until(self._nothing_moves, QUIET_WITHIN)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """People live, jobs come; on the way out they finish what they began."""
        async with asyncio.TaskGroup() as group:
            for person in self.people:
                group.create_task(person.live(self.stop, self.settings.pause))
            group.create_task(self._admin.live(self.stop, ADMIN_PAUSE))
            group.create_task(self._work.do_nothing(self.stop))
            group.create_task(self._work.poison(self.stop))
            yield
            self.stop.set()

    async def quieten(self) -> None:
        """Until everything that was accepted has ended and every socket was told, or until it is late."""
        began = time.monotonic()
        await self._until(self._nothing_moves, QUIET_WITHIN)
        self.tell(f"Nothing moves any more after {time.monotonic() - began:.1f} s.")
        await self._until(self._sockets_are_there, SOCKETS_WITHIN)
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self._client.stop()
        await self._api.close()
        self.ledger.close()

    async def _nothing_moves(self) -> bool:
        if await evidence.unfinished(self.house.url("postgres")):
            return False
        streams, _ = await evidence.streams(self.house.url("nats"))
        return streams["JOBS"]["messages"] == 0 and not any(streams["JOBS"]["waiting"].values())

    async def _sockets_are_there(self) -> bool:
        """Whether each was told everything that there is for it by now."""
        sql = """SELECT coalesce(max(id), 0) FROM events
            WHERE user_id IS NULL OR user_id = (SELECT id FROM users WHERE username = %s)"""
        async with await psycopg.AsyncConnection.connect(self.house.url("postgres")) as link:
            for reader in self.readers:
                found = await (await link.execute(sql, [reader.who])).fetchone()
                reader.end = found[0] if found else 0
        return all(reader.last >= reader.end for reader in self.readers)

    async def _until(self, condition: Callable[[], Awaitable[bool]], within: float) -> None:
        """Or until it is late: what is wrong then is the invariants' to say."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with suppress(Exception):  # whatever is still on its way back
                if await condition():
                    return
            await asyncio.sleep(0.5)
