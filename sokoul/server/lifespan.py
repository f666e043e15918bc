"""The lifespan protocol of ASGI, for a server that does not speak it."""

import asyncio

from sokoul.server.asgi_types import App, Message


class StartFailed(Exception):
    """The application said why, or raised."""


class Lifespan:
    """Tells the application that the process starts and ends. One that does not know the protocol is left alone."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._questions: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Raises StartFailed."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._task = asyncio.ensure_future(self._run(scope))
        answer = await self._ask("lifespan.startup")
        if answer["type"] == "lifespan.startup.failed":
            raise StartFailed(answer.get("message", ""))

    async def shutdown(self) -> None:
        await self._ask("lifespan.shutdown")

    async def _run(self, scope: Message) -> None:
        await self._app(scope, self._questions.get, self._answers.put)

    async def _ask(self, kind: str) -> Message:
        """The application's answer, or an empty one where it has ended."""
        assert self._task is not None
        self._questions.put_nowait({"type": kind})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        if kind == "lifespan.startup" and (error := self._task.exception()) is not None:
            raise StartFailed(str(error)) from error
        return {"type": ""}
