"""Every command, to the linked and to strangers (plan 3.3)."""

from collections.abc import Callable

import pytest

from apps.accounts.models import User
from tests.demo import Demo
from tests.integration.bot.chat import Chat
from tests.integration.bot.conftest import MALLORY

pytestmark = pytest.mark.usefixtures("bot")
Link = Callable[..., Chat]


def test_search_lists_the_titles_with_their_years(alice: User, link: Link) -> None:
    answer = link(alice).ask("/search night tram")
    print(answer)
    assert "Night Tram" in answer["text"]


def test_an_unknown_command_says_so_in_the_senders_language(telegram: Demo) -> None:
    assert Chat(telegram, MALLORY, language_code="en").ask("/dance")["text"].startswith("Unknown command")
