"""A password that is little more than what everybody can see of this place and this person is refused; any other is not."""

import pytest
from django.conf import settings
from django.contrib.auth.password_validation import get_password_validators, validate_password
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from sokoul.env import ENV

ALICE = User(username="alice_liddell", email="alice@wonderland.example")


@pytest.mark.parametrize(
    "password",
    ["alice_liddell", "Alice2024!", "ALICELIDDELL", "liddell-7777", "wonderland1", "alice@wonderland.example", "Sokoul2026",
     "sokoul.sokoul", "Sokoul-Password-1", "films1234", "s.o.k.o.u.l.1", "admin-alice-!!"],
)  # fmt: skip
def test_words_of_this_place_and_person_are_no_password(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "public_url", "https://films.example.org")
    with pytest.raises(ValidationError):
        validate_password(password, ALICE)


@pytest.mark.parametrize(
    "password", ["alice likes bread", "sokoul-plays-on", "correct horse battery", "73915084 261", "пароль от кино", "malice-aforethought"]
)  # fmt: skip
def test_more_than_such_a_word_is_one(password: str) -> None:
    validate_password(password, ALICE)


def test_without_a_person_the_place_is_looked_at() -> None:
    with pytest.raises(ValidationError):
        validate_password("sokoul12345")


def test_twenty_thousand_of_the_commonest_are_refused_three_thousand_of_them_long_enough() -> None:
    common = next(
        one for one in get_password_validators(settings.AUTH_PASSWORD_VALIDATORS) if type(one).__name__.startswith("Common")
    )  # fmt: skip
    words = common.passwords  # type: ignore[attr-defined]
    assert len(words) > 19_000
    assert sum(len(word) >= 8 for word in words) > 3000
