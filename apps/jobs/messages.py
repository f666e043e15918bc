"""The message contract (SPEC 8). Readers ignore what they do not know and reject a message that lacks anything."""

import json
from typing import Any
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from apps.jobs.models import Job

SCHEMA = 1
JOBS, DEAD = "jobs", "dlq"  # first token of a subject

# JetStream refuses a second message of the same id within the stream's duplicate window.
ID_HEADER = "Nats-Msg-Id"
REQUEST_HEADER = "X-Request-ID"
JOB_HEADER = "Sokoul-Job"
REASON_HEADER = "Sokoul-Reason"
ATTEMPTS_HEADER = "Sokoul-Attempts"
FAILED_HEADER = "Sokoul-Failed-At"


class Unreadable(ValueError):
    """The bytes are no message of ours."""


class Message(BaseModel):
    """`user_id` is null for the system's own jobs; `timestamp` is when the job was asked for."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    version: int = Field(alias="schema", ge=1)
    job_id: UUID
    kind: str = Field(min_length=1)
    timestamp: AwareDatetime
    user_id: int | None
    request_id: str
    payload: dict[str, Any]


def subject(worker: str, kind: str, root: str = JOBS) -> str:
    return f"{root}.{worker}.{kind}"


def encode(job: Job) -> bytes:
    return orjson.dumps(
        {
            "schema": SCHEMA,
            "job_id": job.pk,
            "kind": job.kind,
            "timestamp": job.created_at,
            "user_id": job.user_id,
            "request_id": job.request_id,
            "payload": job.payload,
        },
        option=orjson.OPT_UTC_Z,
    )


def decode(data: bytes) -> Message:
    """Raises Unreadable, which says what is wrong and never quotes the data."""
    try:
        return Message.model_validate_json(data)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc'])) or 'message'}: {fault['msg']}" for fault in error.errors())
        raise Unreadable("; ".join(faults)) from None


def header_text(text: str) -> str:
    """A text as a header value, which holds one line of ASCII: as JSON with everything else escaped."""
    return json.dumps(text)
