"""What Telegram sends, read on arrival."""

from typing import Any

import pytest

from apps.bot.incoming import Incoming, read

ALICE: dict[str, Any] = {"id": 7, "is_bot": False, "first_name": "Al", "language_code": "fr-CA"}
NOBODY: Any = {"from": None}
CHAT: dict[str, Any] = {"id": 7, "type": "private"}


def message(update_id: int = 1, sender: dict[str, Any] = ALICE, chat: dict[str, Any] = CHAT, **fields: Any) -> Any:
    said = {"message_id": 5, "date": 1_800_000_000, "chat": chat, "from": sender, "text": "/help"}
    return {"update_id": update_id, "message": {**said, **fields}}


def press(**fields: Any) -> Any:
    shown = {"message_id": 9, "date": 0, "chat": CHAT}
    return {"update_id": 2, "callback_query": {"id": "44", "from": ALICE, "message": shown, "data": "t.1", **fields}}


def found(update: Any) -> Incoming:
    read_ = read(update)
    assert read_ is not None
    return read_


def test_a_message() -> None:
    one = found(message(text="/search Up"))
    assert (one.kind, one.telegram_id, one.chat_id, one.private) == ("message", 7, 7, True)
    assert (one.name, one.language, one.text) == ("Al", "fr", "/search Up")


def test_a_button() -> None:
    one = found(press())
    assert (one.kind, one.message_id, one.callback_id, one.text) == ("button", 9, "44", "t.1")


def test_somebody_blocked_the_bot() -> None:
    change = {"chat": CHAT, "from": ALICE, "date": 3, "new_chat_member": {"status": "kicked"}}
    assert found({"update_id": 3, "my_chat_member": change}).kind == "left"
    change["new_chat_member"] = {"status": "member"}
    assert read({"update_id": 4, "my_chat_member": change}) is None


@pytest.mark.parametrize(
    ("code", "language"), [("fr", "fr"), ("FR-ca", "fr"), ("en-GB", "en"), ("de", ""), ("", ""), ("f", "")]
)
def test_the_senders_language(code: str, language: str) -> None:
    assert found(message(sender={**ALICE, "language_code": code})).language == language


def test_a_name_is_whole_and_bounded() -> None:
    sender = {**ALICE, "last_name": "Ice", "username": "al"}
    assert found(message(sender=sender)).name == "Al Ice (@al)"
    assert len(found(message(sender={**ALICE, "first_name": "x" * 9000})).name) == 200


def test_only_what_postgresql_can_keep_is_kept() -> None:
    one = found(message(text="/search \0\ud800Up", sender={**ALICE, "first_name": "A\0l"}))
    assert (one.text, one.name) == ("/search ?Up", "Al")


def test_a_group_is_not_private() -> None:
    assert not found(message(chat={"id": -5, "type": "supergroup"})).private


def test_one_update_is_known_again_and_two_are_told_apart() -> None:
    first = found(message()).key
    assert found(message()).key == first
    others = [message(update_id=2), message(message_id=6), message(date=1), message(chat={"id": 8, "type": "private"})]
    assert len({first, found(press()).key, found(press(id="45")).key, *(found(one).key for one in others)}) == 7


@pytest.mark.parametrize(
    "update",
    [
        None, [], "update", {}, {"update_id": "x"}, {"update_id": 1}, {"update_id": 1, "message": {"text": "hello"}},
        {"update_id": 1, "message": "hello"}, {"update_id": 1, "poll": {}}, message(sender={**ALICE, "is_bot": True}),
        message(**NOBODY), press(message=None), press(**NOBODY),
    ],
)  # fmt: skip
def test_what_it_has_no_use_for_is_left_at_the_door(update: Any) -> None:
    assert read(update) is None
