"""/control: how tests (and people on this machine) tell the demo providers what to do and see what happened.

| call | does |
|---|---|
| GET /control/health | 200 with {status, env}: the variables that point Sokoul here |
| POST, GET, DELETE /control/misbehave | add a fault (see `misbehaviour.Rule`), list them, clear them all |
| GET, DELETE /control/requests | {counts: {provider: n}, requests: [{provider, method, path, query, at}]}, forget them |
| POST /control/telegram/update | somebody writes or presses a button (see `Chats.inject`) |
| GET /control/telegram/sent?after=N | calls that the bot made, {number, method, params, result, at} |
| POST /control/telegram/block {user_id, blocked} | somebody blocks the bot |
| GET, POST /control/swarm {rate_bytes} | every torrent, its hashes, files, bytes sent, peers; limit what each may send (0: none) |
| POST /control/swarm/{pause,resume,stop} {torrent} | by key, name or info-hash: drop its peers, serve it again, leave the tracker too |
| POST /control/swarm/content | {name, files: [{path, size, video?}], kind?, piece_size?, seeders?, leechers?, listed?}: seed something |
| POST /control/episode | {series, season, number, name, air_date, released?}: TMDB tells one more episode, and indexers have it |
| POST /control/reset | all of it as it was at the start |
"""

import ipaddress
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sokoul.demo import catalogue, keys, prowlarr
from sokoul.demo.catalogue import words
from sokoul.demo.chats import Chats
from sokoul.demo.misbehaviour import Misbehaviour, Rule
from sokoul.demo.releases import Part, Release, of_episode
from sokoul.demo.requests import Requests
from sokoul.demo.store import Store, Stored
from sokoul.demo.titles import Episode
from sokoul.demo.web import Handler, Request, Response, Router, json_response

Json = dict[str, Any]
# The clips that content made for tests borrows when it has to be playable.
CLIP_TITLE, MKV_CLIP_TITLE = "umbrella", "tram"


def guarded(handler: Handler) -> Handler:
    """Only for callers on this machine that are no foreign web page; mistakes in a call are answered with 400."""

    async def check(request: Request) -> Response:
        origin = request.headers.get("origin")
        if not ipaddress.ip_address(request.client).is_loopback or origin not in (None, request.base_url):
            return json_response({"error": "only from this machine"}, 403)
        try:
            return await handler(request)
        except (ValueError, TypeError, KeyError) as error:
            return json_response({"error": f"{type(error).__name__}: {error}"}, 400)

    return check


class Control:
    def __init__(self, store: Store, chats: Chats, misbehaviour: Misbehaviour, requests: Requests) -> None:
        self._store = store
        self._chats = chats
        self._misbehaviour = misbehaviour
        self._requests = requests
        self._default_rate = store.seeder.rate

    def add_routes(self, router: Router) -> None:
        for method, path, handler in (
            ("GET", "health", self.health),
            ("POST", "misbehave", self.misbehave),
            ("GET", "misbehave", self.faults),
            ("DELETE", "misbehave", self.behave),
            ("GET", "requests", self.requests),
            ("DELETE", "requests", self.forget_requests),
            ("POST", "telegram/update", self.update),
            ("GET", "telegram/sent", self.sent),
            ("POST", "telegram/block", self.block),
            ("GET", "swarm", self.swarm),
            ("POST", "swarm", self.rate),
            ("POST", "swarm/content", self.content),
            ("POST", "swarm/{action:pause|resume|stop}", self.act),
            ("POST", "episode", self.episode),
            ("POST", "reset", self.reset),
        ):
            router.add(method, f"/control/{path}", guarded(handler))

    async def health(self, request: Request) -> Response:
        url = request.base_url
        env = {**keys.environment(url), "TORZNAB_FEEDS": keys.torznab_feed(url)}
        return json_response({"status": "ok", "env": env})

    async def misbehave(self, request: Request) -> Response:
        self._misbehaviour.add(Rule.read(request.json()))
        return json_response({"ok": True}, 201)

    async def faults(self, _: Request) -> Response:
        return json_response({"rules": self._misbehaviour.listed()})

    async def behave(self, _: Request) -> Response:
        self._misbehaviour.clear()
        return json_response({"ok": True})

    async def requests(self, _: Request) -> Response:
        return json_response(self._requests.listed())

    async def forget_requests(self, _: Request) -> Response:
        self._requests.clear()
        return json_response({"ok": True})

    async def update(self, request: Request) -> Response:
        return json_response(await self._chats.inject(request.json()), 201)

    async def sent(self, request: Request) -> Response:
        after = request.number("after", 0)
        return json_response({"sent": [call for call in self._chats.sent if call["number"] > after]})

    async def block(self, request: Request) -> Response:
        body = request.json()
        change = self._chats.blocked.add if body.get("blocked", True) else self._chats.blocked.discard
        change(int(body["user_id"]))
        return json_response({"ok": True})

    async def swarm(self, request: Request) -> Response:
        torrents = [self._described(stored, request) for stored in self._store.stored.values()]
        return json_response(
            {"port": self._store.seeder.port, "rate_bytes": self._store.seeder.rate, "torrents": torrents}
        )

    async def rate(self, request: Request) -> Response:
        self._store.seeder.set_rate(int(request.json()["rate_bytes"]))
        return json_response({"ok": True})

    async def act(self, request: Request) -> Response:
        stored = self._store.find(str(request.json()["torrent"]))
        if stored is None:
            return json_response({"error": "no such torrent"}, 404)
        seeder, key = self._store.seeder, stored.release.key
        if request.args["action"] == "resume":
            seeder.resume(key, self._store.tracker.leechers(stored.torrent.announced))
            self._store.track(stored, True)
        else:
            seeder.pause(key)
            self._store.track(stored, request.args["action"] != "stop")
        return json_response(self._described(stored, request))

    async def content(self, request: Request) -> Response:
        release = added(request.json())
        if release.key in self._store.releases and self._store.releases[release.key] != release:
            raise ValueError("there is something else of that name already")
        self._store.releases[release.key] = release
        return json_response(self._described(await self._store.ready(release.key), request), 201)

    async def episode(self, request: Request) -> Response:
        body = request.json()
        name, day = str(body["name"]), date.fromisoformat(str(body["air_date"])).isoformat()
        number = int(body["number"])
        texts = (f"{name}.", f"{name}.")
        added = Episode(number, (name, name), day, texts)
        series, season = catalogue.add_episode(str(body["series"]), int(body["season"]), added)
        made = of_episode(series, season, added) if body.get("released", True) else []
        for release in made:
            self._store.releases[release.key] = replace(release, published=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
            await self._store.ready(release.key)
        return json_response({"releases": [release.name for release in made]}, 201)

    async def reset(self, _: Request) -> Response:
        self._misbehaviour.clear()
        await self._chats.reset()
        self._store.forget_added()
        catalogue.forget_added()
        self._store.seeder.set_rate(self._default_rate)
        for stored in self._store.stored.values():
            if stored.release.seeders > 0:
                self._store.seeder.resume(stored.release.key)
                self._store.track(stored, True)
        self._requests.clear()
        return json_response({"ok": True})

    def _described(self, stored: Stored, request: Request) -> Json:
        key = stored.release.key
        return {
            "key": key,
            "name": stored.release.name,
            "info_hash_v1": stored.torrent.v1,
            "info_hash_v2": stored.torrent.v2,
            "magnet": prowlarr.magnet(stored, prowlarr.announce_url(request)),
            "torrent_url": f"{request.base_url}/torznab/download/{key}.torrent?apikey={keys.TORZNAB}",
            "size": stored.torrent.size,
            "files": stored.files,
            "seeded": stored.seeded,
            **self._store.seeder.status(key),
        }


def added(body: Json) -> Release:
    """A release out of what a test asks for; raises ValueError or KeyError when something is wrong with it."""
    name, kind = str(body["name"]), body.get("kind", "v1")
    if kind not in ("v1", "v2", "hybrid"):
        raise ValueError("kind must be v1, v2 or hybrid")
    parts = tuple(part(file) for file in body["files"])
    if not parts or not words(name):
        raise ValueError("a name and at least one file are needed")
    if any(part.path.startswith("/") or ".." in part.path.split("/") for part in parts):
        raise ValueError("paths must stay inside the torrent")
    needs_mkv = any(part.source == "film-mkv" for part in parts)
    return Release(
        key="-".join(words(name)),
        name=name,
        title_key=MKV_CLIP_TITLE if needs_mkv else CLIP_TITLE,
        parts=parts,
        seeders=int(body.get("seeders", 10)),
        leechers=int(body.get("leechers", 1)),
        kind=kind,
        indexers=(1,) if body.get("listed") else (),
        feed=bool(body.get("listed")),
        piece_size=int(body.get("piece_size", 0)),
        magnet_only=bool(body.get("magnet_only")),
    )


def part(file: Json) -> Part:
    """{path, size, video?, source?}: bytes that look random, unless it has to be a playable video."""
    path, source = str(file["path"]), file.get("source")
    if source is None and file.get("video"):
        source = "film-mkv" if path.endswith(".mkv") else "film"
    return Part(path, source or "random", int(file.get("size", 0)))
