"""Deciding again what is stored, in the background, once a profile or a title's choice of one has changed."""

import uuid

from pydantic import BaseModel

from apps.downloads.profiles import deciding
from apps.jobs import services as jobs
from apps.jobs.models import Job

TITLES_A_JOB = 20


class AgainPayload(BaseModel):
    """Job `scout.redecide`: one title, or all that are out of date with an id above `after`, so many a job.

    `sweep` names the walk, so that each of its jobs is enqueued once however often the one before it runs.
    """

    media_id: int | None = None
    after: int = 0
    sweep: str = ""


def ask(media_id: int | None = None) -> Job:
    """Have it done, as part of the caller's transaction: for one title, or for whatever is out of date."""
    payload = AgainPayload(media_id=media_id, sweep=uuid.uuid4().hex)
    return jobs.enqueue("scout", "redecide", payload)


def run(payload: AgainPayload) -> dict[str, object]:
    """The body of `scout.redecide`. It may run twice: what is up to date already is found no more."""
    if payload.media_id is not None:
        return {"titles": 1, "releases": _decide(payload.media_id)}
    titles = deciding.out_of_date(payload.after, TITLES_A_JOB)
    releases = sum(map(_decide, titles))
    if len(titles) == TITLES_A_JOB:
        _go_on(payload.model_copy(update={"after": titles[-1]}))
    return {"titles": len(titles), "releases": releases}


def _decide(media_id: int) -> int:
    with deciding.tried_again_if_deleted():
        return deciding.decide_again(media_id)


def _go_on(payload: AgainPayload) -> None:
    job_id = uuid.uuid5(uuid.NAMESPACE_OID, f"scout.redecide {payload.sweep} {payload.after}")
    jobs.enqueue("scout", "redecide", payload, job_id=job_id)
