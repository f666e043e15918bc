"""Every command, to the linked, to strangers and in groups, in both languages (plan 3.3)."""

from collections.abc import Callable

import pytest

from apps.accounts import telegram as links
from apps.accounts.models import AuditEntry, TelegramLink, User
from apps.bot.handlers.general import ABOUT
from apps.bot.service import SOON
from apps.downloads.models import Download
from apps.jobs import services as jobs
from apps.media import services as media
from apps.media.models import Media
from tests.demo import Demo
from tests.integration.bot.chat import Chat, french
from tests.integration.bot.conftest import ALICE, BOB, MALLORY
from tests.waiting import until
from tests.wishes import make_media

pytestmark = pytest.mark.usefixtures("bot")
Link = Callable[..., Chat]
EVIL = "<img src=x onerror=alert(1)> & <b>Co</b>"
PRIVATE = ["search", "downloads", "cancel", "mylist", "status", "language", "unlink"]


def downloading(user: User, film: Media, phase: str = "downloading", **fields: object) -> Download:
    status = {"downloading": "Running", "paused": "Running", "failed": "Failed"}[phase]
    return Download.objects.create(user=user, media=film, phase=phase, status=status, **fields)


def test_search_lists_titles_with_year_and_kind(alice: User, link: Link) -> None:
    answer = link(alice).ask("/search night tram")
    assert "1. The Last Night Tram (2015), film" in answer["text"]
    assert next(iter(answer["keys"])) == "1. The Last Night Tram (2015)"


def test_search_says_what_it_needs_and_when_there_is_nothing(alice: User, link: Link) -> None:
    chat = link(alice)
    assert "/search Inception" in chat.ask("/search")["text"]
    assert "called “zzzz qqqq”" in chat.ask("/search zzzz   qqqq")["text"]
    assert "at most 200 characters" in chat.ask("/search " + "x" * 3000)["text"]


def test_a_slow_search_is_answered_at_once_and_edited_when_done(alice: User, link: Link, telegram: Demo) -> None:
    telegram.misbehave("tmdb", "delay", path_prefix="search", seconds=3.5)
    chat = link(alice)
    answer = chat.begin("/search night tram")
    assert answer["text"] == "One moment…", "before TMDB has answered"
    assert SOON <= 1.5, "the contract's bound is 2 s"
    assert "The Last Night Tram (2015)" in chat.wait(answer, "Which one?")["text"]
    assert len(chat.messages()) == 1


def test_mylist_shows_the_favourites_page_by_page(alice: User, link: Link) -> None:
    chat = link(alice)
    assert "Your list is empty" in chat.ask("/mylist")["text"]
    for number in range(1, 11):
        media.add_favorite(alice.pk, make_media(f"Film {number}", tmdb_id=number).pk)
    first = chat.ask("/mylist")
    assert "1. Film 10 (2021), film" in first["text"]
    assert "Film 2 " not in first["text"]
    chat.press(first, "▶")
    assert "9. Film 2 (2021), film" in chat.wait(first, "Film 2")["text"]
    chat.press(first, "◀")
    chat.wait(first, "Film 10")


def test_status_tells_people_whether_it_is_well_and_their_jobs(alice: User, bob: User, link: Link) -> None:
    jobs.enqueue("scout", "search", {}, user_id=alice.pk)
    jobs.enqueue("hunter", "start", {}, user_id=bob.pk)
    text = link(alice).ask("/status")["text"]
    assert "postgres" not in text
    assert "• Search for releases: waiting" in text
    assert "Start of a download" not in text, "that is somebody else's"


def test_status_tells_admins_every_component(admin: User, link: Link) -> None:
    text = link(admin).ask("/status")["text"]
    assert "• postgres: well (" in text
    assert {"redis", "nats"} <= {word.rstrip(":") for word in text.split()}
    assert "You have no jobs." in text


def test_help_lists_every_command(alice: User, telegram: Demo, link: Link) -> None:
    text = link(alice).ask("/help")["text"]
    assert all(f"/{name}: {about}" in text for name, about in ABOUT.items())
    assert "not linked" not in text


def test_telegram_is_told_the_commands_in_both_languages(telegram: Demo) -> None:
    telegram.wait_sent(
        lambda call: call["method"] == "setMyCommands" and french("this list") in call["params"]["commands"]
    )
    telegram.wait_sent(lambda call: call["method"] == "setMyCommands" and "this list" in call["params"]["commands"])


@pytest.mark.parametrize(
    ("language", "answer"), [("fr", "Commande inconnue"), ("fr-CA", "Commande inconnue"), ("en", "Unknown command")]
)
@pytest.mark.parametrize("text", ["/dance", "hello", "/", "/helpme now", ""])
def test_anything_else_is_unknown_in_the_senders_language(
    telegram: Demo, text: str, language: str, answer: str
) -> None:
    found = Chat(telegram, MALLORY, language_code=language).ask(text)["text"]
    assert found.startswith(answer)
    assert "/help" in found


def test_the_language_is_chosen_by_button_or_word_and_stays(alice: User, link: Link) -> None:
    chat = link(alice, language_code="en")
    asked = chat.ask("/language")
    chat.press(asked, "Français")
    chat.wait(asked, french("From now on I write English."))
    assert chat.ask("/dance")["text"].startswith("Commande inconnue")
    assert "English" in chat.ask("/language en")["text"]
    assert chat.ask("/dance")["text"].startswith("Unknown command")
    assert TelegramLink.objects.get(user=alice).language == "en"


@pytest.mark.parametrize("command", PRIVATE)
def test_strangers_learn_how_to_link_and_nothing_else(telegram: Demo, alice: User, command: str) -> None:
    make_media("Secret Film")
    assert "You are not linked yet" in Chat(telegram, MALLORY).ask(f"/{command} Secret Film")["text"]


def test_strangers_get_help(telegram: Demo) -> None:
    assert "not linked yet" in Chat(telegram, MALLORY).ask("/help")["text"]
    welcome = Chat(telegram, MALLORY, language_code="fr").ask("/start")["text"]
    assert welcome.startswith(french("Welcome to Sokoul."))


@pytest.mark.parametrize("command", ["/mylist", "/status", "/search night tram", "/mylist@sokoul_demo_bot"])
def test_a_group_gets_no_data(alice: User, link: Link, telegram: Demo, command: str) -> None:
    media.add_favorite(alice.pk, make_media("Secret Film").pk)
    link(alice)
    group = Chat(telegram, ALICE, chat_id=-77, chat_type="supergroup")
    answer = group.ask(command)
    assert answer["text"] == "I only answer in a private chat. Write to me there."
    assert not answer["keys"]


def test_what_is_not_for_the_bot_is_ignored_in_a_group(telegram: Demo) -> None:
    group = Chat(telegram, MALLORY, chat_id=-77, chat_type="group")
    for text in ("hello", "/dance", "/help@another_bot"):
        group.type(text)
    group.ask("/help")
    assert len(group.messages()) == 1


def test_html_in_a_title_shows_as_text(alice: User, link: Link, telegram: Demo) -> None:
    film = make_media(EVIL)
    media.add_favorite(alice.pk, film.pk)
    downloading(alice, film, name=EVIL, reason=EVIL)
    chat = link(alice)
    for command in ("/mylist", "/downloads", "/status"):
        assert EVIL in chat.ask(command)["text"]
    shown = [call["result"] for call in telegram.telegram_sent("sendMessage")]
    assert all("entities" not in message for message in shown)


def test_a_long_answer_comes_in_parts_with_its_buttons_at_the_end(alice: User, link: Link) -> None:
    for number in range(8):
        downloading(alice, make_media("T" * 490 + str(number), tmdb_id=number), reason=f"{number}" * 700)
    chat = link(alice)
    chat.type("/downloads")
    until(lambda: any(message["keys"] for message in chat.messages()), what="the last part")
    parts = chat.messages()
    assert len(parts) > 1
    assert all(len(part["text"]) <= 4096 for part in parts)
    assert [bool(part["keys"]) for part in parts] == [False] * (len(parts) - 1) + [True]
    assert "".join(part["text"] for part in parts).count("0" * 700) == 1


def test_two_peoples_answers_never_cross(alice: User, bob: User, link: Link, telegram: Demo) -> None:
    for user, name in ((alice, "Apple"), (bob, "Pear")):
        film = make_media(name, tmdb_id=user.pk)
        media.add_favorite(user.pk, film.pk)
        downloading(user, film)
    chats = [link(alice, ALICE), link(bob, BOB)]
    for _ in range(8):
        for chat in chats:
            chat.type("/mylist")
            chat.type("/downloads")
    for chat, own, foreign in zip(chats, ("Apple", "Pear"), ("Pear", "Apple"), strict=True):
        until(lambda chat=chat: len(chat.messages()) == 16, what="every answer")  # type: ignore[misc]
        texts = [message["text"] for message in chat.messages()]
        assert all(own in text and foreign not in text for text in texts)
        assert texts[::2] == [texts[0]] * 8, "in the order of the questions"


def test_cancel_asks_which_or_takes_a_number(alice: User, bob: User, link: Link) -> None:
    chat = link(alice)
    assert "nothing to cancel" in chat.ask("/cancel")["text"]
    mine = downloading(alice, make_media("Mine", tmdb_id=1))
    foreign = downloading(bob, make_media("Foreign", tmdb_id=2))
    assert list(chat.ask("/cancel")["keys"]) == [f"Cancel #{mine.pk}"]
    assert "somebody else" in chat.ask(f"/cancel {foreign.pk}")["text"]
    assert "not found" in chat.ask("/cancel 999999999")["text"]
    assert chat.ask(f"/cancel #{mine.pk}")["text"] == "Cancelled."
    assert set(Download.objects.values_list("pk", "phase")) == {(mine.pk, "cancelled"), (foreign.pk, "downloading")}


def test_unlink_ends_it_at_once(alice: User, link: Link) -> None:
    chat = link(alice)
    assert "no longer know you" in chat.ask("/unlink")["text"]
    assert "not linked yet" in chat.ask("/mylist")["text"]
    entry = AuditEntry.objects.get(action="telegram.unlinked")
    assert (entry.actor_id, entry.details["telegram_id"]) == (alice.pk, ALICE)


@pytest.mark.parametrize("how", ["deactivated", "deleted"])
def test_a_user_who_is_gone_is_a_stranger_from_that_moment(alice: User, link: Link, how: str) -> None:
    media.add_favorite(alice.pk, make_media("Secret Film").pk)
    chat = link(alice)
    listed = chat.ask("/mylist")
    assert "Secret Film" in listed["text"]
    key = chat.key(listed, "1.")
    if how == "deleted":
        alice.delete()
    else:
        User.objects.filter(pk=alice.pk).update(is_active=False)
    assert "not linked yet" in chat.ask("/mylist")["text"]
    after = chat.count()
    chat.push(listed, key)
    assert "not linked yet" in chat.toast(after)
    assert links.link_of(alice.pk or 0) is None


def test_a_command_that_breaks_down_is_answered_too(
    alice: User, link: Link, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(media, "favorites", lambda *_: 1 / 0)
    assert "Something went wrong here" in link(alice).ask("/mylist")["text"]
    assert "ZeroDivisionError" in caplog.text


def test_a_flood_is_told_once_and_then_ignored(
    telegram: Demo, alice: User, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Chat(telegram, MALLORY)
    for number in range(45):
        stranger.type(f"/dance {number}")
    assert link(alice).ask("/help"), "others are answered"
    until(lambda: len(stranger.messages()) == 41, what="40 answers and a warning")
    assert "too much at once" in stranger.messages()[-1]["text"]
