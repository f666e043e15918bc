"""The ASGI application: every request is counted, may meet a fault, and goes to its provider."""

import asyncio
import contextlib
import traceback
from pathlib import Path

from sokoul.demo.chats import Chats
from sokoul.demo.control import Control
from sokoul.demo.misbehaviour import Misbehaviour, after, before
from sokoul.demo.posters import Posters
from sokoul.demo.prowlarr import Prowlarr
from sokoul.demo.requests import Requests
from sokoul.demo.store import Store
from sokoul.demo.telegram import Telegram
from sokoul.demo.tmdb import add_routes as add_tmdb
from sokoul.demo.torznab import Torznab
from sokoul.demo.web import Receive, Request, Response, Router, Scope, Send, json_response, read_request, send_response


class Application:
    """All demo providers. `rate` is what each torrent may upload in bytes a second (0: no limit); with `warm` the clips of
    all titles are rendered in the background from the start."""

    def __init__(self, data_dir: Path, rate: int, warm: bool) -> None:
        self._warm = warm
        self._store = Store(data_dir, rate)
        self._misbehaviour = Misbehaviour()
        self._requests = Requests()
        self._router = Router()
        self._tasks: list[asyncio.Task[None]] = []
        chats = Chats()
        self._telegram = Telegram(chats)
        prowlarr = Prowlarr(self._store)
        add_tmdb(self._router)
        for part in (
            Posters(data_dir / "posters"),
            prowlarr,
            Torznab(self._store, prowlarr),
            self._telegram,
            self._store.tracker,
            Control(self._store, chats, self._misbehaviour, self._requests),
        ):
            part.add_routes(self._router)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            with contextlib.suppress(ConnectionError):
                request = await read_request(scope, receive)
                await send_response(await self.answer(request), send, scope["method"] == "HEAD")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._store.start()
        self._tasks.append(asyncio.create_task(self._telegram.deliver_forever()))
        if self._warm:
            self._tasks.append(asyncio.create_task(self._store.render_all()))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def answer(self, request: Request) -> Response:
        self._requests.note(request)
        rule = self._misbehaviour.strike(request)
        if rule and (response := await before(rule, request)):
            return response
        response = await self._handle(request)
        return after(rule, response) if rule else response

    async def _handle(self, request: Request) -> Response:
        found = self._router.find("GET" if request.method == "HEAD" else request.method, request.path)
        if found is None:
            return json_response({"error": "there is nothing here"}, 404)
        handler, request.args = found
        try:
            return await handler(request)
        except ConnectionError:
            raise
        except Exception as error:
            traceback.print_exc()
            return json_response({"error": repr(error)}, 500)
