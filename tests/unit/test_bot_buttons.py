"""A button carries what it does, signed, for one person and for an hour."""

import pytest

from apps.bot.buttons import VALID, Invalid, Owner, read, sign

ALICE, BOB = Owner(1001, 1), Owner(1002, 2)
NOW = 1_800_000_000.0


def test_what_is_signed_can_be_read() -> None:
    assert read(ALICE, sign(ALICE, "t", 0, 35, 36, None, 2**62, now=NOW), NOW) == ("t", [0, 35, 36, None, 2**62])
    assert read(ALICE, sign(ALICE, "l", now=NOW), NOW) == ("l", [])


def test_the_longest_fits_into_what_telegram_takes() -> None:
    million = 10**6
    assert len(sign(ALICE, "g", million * million, million * million, 99, 999, now=NOW).encode()) <= 64


@pytest.mark.parametrize("other", [BOB, Owner(1001, 2), Owner(1002, 1)], ids=["bob", "relinked", "another account"])
def test_nobody_else_can_press_it(other: Owner) -> None:
    with pytest.raises(Invalid):
        read(other, sign(ALICE, "c", 7, now=NOW), NOW)


def test_it_ends_after_its_time() -> None:
    data = sign(ALICE, "c", 7, now=NOW)
    assert read(ALICE, data, NOW + VALID * 60 - 60) == ("c", [7])
    with pytest.raises(Invalid):
        read(ALICE, data, NOW + VALID * 60 + 60)


def test_nothing_in_it_can_be_altered() -> None:
    data = sign(ALICE, "c", 7, now=NOW)
    for position in range(len(data)):
        altered = data[:position] + ("x" if data[position] != "x" else "y") + data[position + 1 :]
        with pytest.raises(Invalid):
            read(ALICE, altered, NOW)


@pytest.mark.parametrize("data", ["", ".", "c", "c.7", "....", "c.7.zzzz.é", "c.-1.zzzzzz.AAAAAAAAAAAA"])
def test_garbage_is_no_button(data: str) -> None:
    with pytest.raises(Invalid):
        read(ALICE, data, NOW)
