"""What somebody was allowed a moment ago opens nothing once a new password, or a second factor, has shut it.

Between looking at a password or a token and acting on it time passes, in another process up to `identity.KEEP_SECONDS`: here
`begun` is the account as it was looked at, and the door is shut before anything is done with it.
"""

from collections.abc import Callable

import pyotp
import pytest
from django.utils import timezone

from apps.accounts import api_keys, families, services, telegram
from apps.accounts.channels import services as channels
from apps.accounts.channels.models import Channel, Kind
from apps.accounts.models import ApiKey, RefreshToken, TelegramCode, TelegramLink, User
from apps.accounts.second_factor import services as second_factor
from apps.downloads.following import addresses
from apps.downloads.following.models import CalendarAddress
from sokoul.errors import PermanentError
from tests.factories import PASSWORD

NEW = "the new password of alice"


@pytest.fixture
def begun(alice: User) -> User:
    return User.objects.get(pk=alice.pk)


def new_password(user: User) -> None:
    services.change_profile(user, {"password": NEW, "current_password": PASSWORD})


def second_factor_on(user: User) -> None:
    secret = second_factor.begin(user, PASSWORD).secret
    second_factor.confirm(user, pyotp.TOTP(secret).now())


def link_telegram(user: User) -> None:
    TelegramCode.objects.create(
        user=user,
        digest="0" * 64,
        expires_at=timezone.now() + telegram.VALID,
        used_at=timezone.now(),
        telegram_id=7,
        chat_id=7,
    )
    telegram.confirm(user)


def everywhere_out(user: User) -> None:
    services.sign_out_everywhere(user)


@pytest.mark.parametrize("shut", [new_password, second_factor_on, everywhere_out])
def test_a_sign_in_that_was_looked_at_before_gets_no_tokens(
    transactional_db: None, alice: User, shut: Callable[[User], None]
) -> None:
    proven = services.login("alice", PASSWORD)
    shut(alice)
    with pytest.raises(PermanentError) as refused:
        families.start(proven)
    assert refused.value.status == 401
    assert not RefreshToken.objects.exists()


@pytest.mark.parametrize(
    "act",
    [
        lambda user: api_keys.create(user, "left behind"),
        lambda user: services.change_profile(user, {"password": "of the thief", "current_password": PASSWORD}),
        lambda user: services.change_profile(user, {"email": "thief@example.com", "current_password": PASSWORD}),
        lambda user: second_factor.begin(user, PASSWORD),
        lambda user: services.delete(user),
        link_telegram,
        lambda user: channels.add(user, Kind.WEBHOOK, "https://93.184.215.14/hook"),
        addresses.make,
    ],
    ids=[
        "an API key",
        "another password",
        "another address",
        "a second factor",
        "an end",
        "Telegram",
        "a webhook",
        "a calendar",
    ],
)
def test_nobody_makes_a_way_in_with_what_was_shut(alice: User, begun: User, act: Callable[[User], object]) -> None:
    new_password(alice)
    with pytest.raises(PermanentError) as refused:
        act(begun)
    assert refused.value.status == 401
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert alice.email == "alice@example.com"
    assert not ApiKey.objects.exists()
    assert second_factor.begun(alice) is None
    for left in (TelegramLink, Channel, CalendarAddress):
        assert not left.objects.exists()


def test_a_second_factor_is_not_taken_away_with_what_was_shut(alice: User) -> None:
    second_factor_on(alice)
    before = User.objects.get(pk=alice.pk)
    new_password(User.objects.get(pk=alice.pk))
    with pytest.raises(PermanentError):
        second_factor.disable(before, PASSWORD)
    assert second_factor.state(alice.pk)["enabled"]


def test_a_key_that_is_wanted_afterwards_is_made(alice: User) -> None:
    new_password(alice)
    assert api_keys.create(User.objects.get(pk=alice.pk), "television").row.pk
