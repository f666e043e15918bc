"""One port, three ways in: WebSockets to Channels, streams to their own application, everything else to Django's WSGI handler.

Django's ASGI handler costs three to eight times what this does (a thread hop for each synchronous middleware and a thread
pool for each request); the bridge has one bounded pool and one hop.
"""

# ruff: noqa: E402 - Django has to be set up before its applications are imported

import asyncio
import os
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sokoul.settings")

from django.core.wsgi import get_wsgi_application

wsgi = get_wsgi_application()

from apps.accounts.websocket import authenticate, living
from apps.downloads import streaming
from apps.feed.consumer import FeedConsumer
from sokoul import access, metrics
from sokoul.env import ENV
from sokoul.metrics import sampler
from sokoul.server.asgi_types import App, Receive, Scope, Send
from sokoul.server.bridge import Bridge
from sokoul.server.drain import DRAIN
from sokoul.server.router import Router, no_lifespan


async def _lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    sampler.watch(asyncio.get_running_loop())
    await no_lifespan(scope, receive, send)


application = Router(
    websocket=cast(App, FeedConsumer.as_asgi(authenticate=authenticate, living=living)),
    # Health has threads of its own: it answers while everything else waits for a frozen part.
    streams={
        streaming.ROUTE: access.stream(streaming.application, "downloads/<download>/files/<index>/stream"),
        r"(/api/v1)?/(health(/\w+)?|metrics)": Bridge(wsgi, threads=8, name="health"),
    },
    http=Bridge(wsgi, threads=ENV.web_threads),
    lifespan=_lifespan,
)
sampler.also(lambda: metrics.SOCKETS.set(len(DRAIN.sockets)))
