"""FastAPI and asyncpg answering our hot lists, the lean way: the same rows by two queries, the same token checked.

It is spared what ours does besides: who the token's person is now, whether their sign-in was revoked, request ids, logs.
"""

import os
from contextlib import asynccontextmanager
from typing import Annotated, Any

import asyncpg
import jwt
import orjson
import redis.asyncio
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response

SECRET = os.environ["JWT_SECRET"]
MEDIA = "m.id, m.tmdb_id, m.kind, m.title, m.original_title, m.year, m.overview, m.genres, m.runtime, m.slug"
POSTER = "'/posters/w342' || nullif(m.poster_path, '') AS poster_url"
FAVORITES = f"""
SELECT {MEDIA}, {POSTER}, f.created_at AS favorited_at FROM favorites f JOIN media m ON m.id = f.media_id
WHERE f.user_id = $1 ORDER BY f.created_at DESC, f.id DESC LIMIT $2 OFFSET $3
"""
DOWNLOADS = f"""
SELECT d.id, d.media_id, d.torrent_id, d.name, d.status, d.phase, d.progress, d.bytes_done, d.bytes_total, d.rate, d.upload_rate,
    d.uploaded, d.eta, d.peers, d.reason, d.season, d.episode, d.created_at, d.started_at, d.completed_at, d.finished_at,
    d.request_id, m.title, m.year, {POSTER}
FROM downloads d JOIN media m ON m.id = d.media_id
WHERE d.user_id = $1 ORDER BY d.created_at DESC, d.id DESC LIMIT $2 OFFSET $3
"""


@asynccontextmanager
async def lifespan(app: FastAPI) -> Any:
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10)
    app.state.redis = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"])
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


async def user_of(authorization: Annotated[str, Header()]) -> int:
    try:
        claims = jwt.decode(
            authorization.removeprefix("Bearer "),
            SECRET,
            algorithms=["HS256"],
            audience="sokoul:access",
            issuer="sokoul",
        )
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None
    return int(claims["sub"])


UserId = Annotated[int, Depends(user_of)]


async def _listing(request: Request, rows: str, table: str, user_id: int, page: int, limit: int) -> Response:
    pool = request.app.state.pool
    found = await pool.fetch(rows, user_id, limit, (page - 1) * limit)
    total = await pool.fetchval(f"SELECT count(*) FROM {table} WHERE user_id = $1", user_id)
    body = {"results": [dict(row) for row in found], "page": page, "limit": limit, "total": total}
    return Response(orjson.dumps(body), media_type="application/json")


@app.get("/media/favorites")
async def favorites(request: Request, user_id: UserId, page: int = 1, limit: int = 20) -> Response:
    return await _listing(request, FAVORITES, "favorites", user_id, page, limit)


@app.get("/downloads")
async def downloads(request: Request, user_id: UserId, page: int = 1, limit: int = 20) -> Response:
    return await _listing(request, DOWNLOADS, "downloads", user_id, page, limit)


@app.get("/search")
async def search(request: Request, user_id: UserId, query: str) -> Response:
    kept = orjson.loads(await request.app.state.redis.get(f"bench:{query}"))
    return Response(orjson.dumps(kept["page"]), media_type="application/json")
