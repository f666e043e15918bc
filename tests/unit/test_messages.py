"""The message contract: golden messages of every version stay readable, by every version."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from apps.jobs import messages
from apps.jobs.models import Job

GOLDEN = Path(__file__).parent.parent / "golden"
V1 = json.loads((GOLDEN / "job_v1.json").read_text())


class MessageOfVersion2(messages.Message):
    """As a reader of tomorrow might look: what is new in version 2 has a default, because version 1 lacks it."""

    priority: str = "normal"
    trace: dict[str, Any] = Field(default_factory=dict)


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("job_*.json")), ids=lambda path: path.stem)
def test_every_golden_message_is_readable(path: Path) -> None:
    message = messages.decode(path.read_bytes())
    assert message.kind in {"search", "details"}
    assert message.timestamp.utcoffset() is not None


def test_version_1_says_what_it_said() -> None:
    message = messages.decode(golden("job_v1.json"))
    assert message.version == 1
    assert message.job_id == UUID("6a0e3f0c-9d0c-4e0e-8a53-0d7f6c1f2b11")
    assert (message.kind, message.user_id, message.request_id) == ("search", 42, "req-12345")
    assert message.timestamp == datetime(2026, 11, 22, 20, 15, 30, 123456, tzinfo=UTC)
    assert message.payload == {"media_id": 7, "season": None}


def test_the_system_has_no_user() -> None:
    assert messages.decode(golden("job_v1_system.json")).user_id is None


def test_version_1_reads_version_2_and_ignores_what_is_new() -> None:
    message = messages.decode(golden("job_v2_imagined.json"))
    assert message.version == 2
    assert message.payload["media_id"] == 7
    assert not hasattr(message, "priority")


def test_version_2_reads_version_1() -> None:
    message = MessageOfVersion2.model_validate_json(golden("job_v1.json"))
    assert (message.kind, message.priority, message.trace) == ("search", "normal", {})


def test_what_is_written_is_the_golden_message() -> None:
    job = Job(
        id=UUID(V1["job_id"]),
        worker="scout",
        kind="search",
        user_id=42,
        payload=V1["payload"],
        request_id="req-12345",
        created_at=datetime(2026, 11, 22, 20, 15, 30, 123456, tzinfo=UTC),
    )
    assert messages.encode(job) == golden("job_v1.json").strip()


@pytest.mark.parametrize("field", sorted(V1))
def test_a_missing_field_is_rejected(field: str) -> None:
    lacking = {name: value for name, value in V1.items() if name != field}
    with pytest.raises(messages.Unreadable, match=field):
        messages.decode(json.dumps(lacking).encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", 0),
        ("schema", "one"),
        ("job_id", "no uuid"),
        ("kind", ""),
        ("timestamp", "yesterday"),
        ("timestamp", "2026-11-22T20:15:30"),
        ("user_id", "alice"),
        ("request_id", None),
        ("payload", []),
    ],
)
def test_a_wrong_field_is_rejected(field: str, value: object) -> None:
    with pytest.raises(messages.Unreadable, match=field):
        messages.decode(json.dumps({**V1, field: value}).encode())


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"null", b"[]", b"{", b"[" * 5000])
def test_what_is_no_message_is_unreadable(data: bytes) -> None:
    with pytest.raises(messages.Unreadable):
        messages.decode(data)


def test_a_fault_does_not_quote_the_data() -> None:
    with pytest.raises(messages.Unreadable) as caught:
        messages.decode(json.dumps({**V1, "user_id": "secret-word"}).encode())
    assert "secret-word" not in str(caught.value)


def test_any_text_fits_into_a_header() -> None:
    text = 'größer als "1 %"\r\nX-Evil: yes\0 🎬'
    header = messages.header_text(text)
    assert header.isascii()
    assert header.isprintable()
    assert json.loads(header) == text


def test_subjects_name_worker_and_kind() -> None:
    assert messages.subject("scout", "search") == "jobs.scout.search"
    assert messages.subject("scout", "search", messages.DEAD) == "dlq.scout.search"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_message_or_unreadable(data: bytes) -> None:
    with contextlib.suppress(messages.Unreadable):
        messages.decode(data)


@given(st.dictionaries(st.sampled_from([*V1, "priority", "schema "]), JSON))
def test_any_change_to_a_message_is_readable_or_unreadable(changes: dict[str, Any]) -> None:
    with contextlib.suppress(messages.Unreadable):
        read = messages.decode(json.dumps({**V1, **changes}).encode())
        assert read.version >= 1
        assert isinstance(read.payload, dict)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON),
    st.text(st.characters(codec="ascii"), max_size=64),
)
def test_what_is_written_is_read_again(payload: dict[str, Any], request_id: str) -> None:
    job = Job(
        worker="scout", kind="search", user_id=7, payload=payload, request_id=request_id, created_at=datetime.now(UTC)
    )
    read = messages.decode(messages.encode(job))
    assert (read.job_id, read.kind, read.user_id, read.request_id, read.payload) == (
        job.pk, "search", 7, request_id, payload,
    )  # fmt: skip
