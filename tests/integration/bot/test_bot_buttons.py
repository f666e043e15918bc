"""What buttons lead to: titles, favourites, downloads; and who may press them."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.bot import buttons, live
from apps.bot.models import LiveMessage
from apps.downloads import rows
from apps.downloads.models import Download, Phase
from apps.jobs.models import Job
from apps.media import services as media
from apps.media.models import Media
from sokoul.api import Page
from tests.demo import Demo
from tests.integration.bot.chat import Chat
from tests.integration.bot.conftest import ALICE, BOB
from tests.waiting import until
from tests.wishes import make_media

pytestmark = pytest.mark.usefixtures("bot")
Link = Callable[..., Chat]
VOID = "This button is too old or not yours. Send the command again."


def downloading(user: User, film: Media, **fields: object) -> Download:
    return Download.objects.create(user=user, media=film, phase="downloading", status="Running", **fields)


def test_a_title_is_shown_and_liked(alice: User, link: Link) -> None:
    chat = link(alice)
    found = chat.ask("/search night tram")
    chat.press(found, "1.")
    shown = chat.wait(found, "film · Drama")
    assert "The Last Night Tram (2015)" in shown["text"]
    assert list(shown["keys"]) == ["Find releases", "Download the best", "☆ Add to my list"]
    chat.press(found, "☆")
    until(lambda: "★ Remove from my list" in chat.message(found["id"])["keys"], what="the star")
    assert [row["title"] for row in media.favorites(alice.pk, Page(1, 5))["results"]] == ["The Last Night Tram"]
    chat.press(found, "★")
    until(lambda: "☆ Add to my list" in chat.message(found["id"])["keys"], what="no star")
    assert len(chat.messages()) == 1, "all of it in one message"


def test_the_list_pauses_resumes_cancels_and_tries_again(alice: User, link: Link) -> None:
    first, second = (downloading(alice, make_media(f"Film {number}", tmdb_id=number)) for number in range(2))
    chat = link(alice)
    listed = chat.ask("/downloads")
    assert set(listed["keys"]) == {f"{verb} #{one.pk}" for one in (first, second) for verb in ("Pause", "Cancel")}
    chat.press(listed, f"Pause #{first.pk}")
    chat.wait(listed, "Paused at 0 %")
    chat.press(listed, f"Resume #{first.pk}")
    chat.wait(listed, "Waiting for its turn")
    chat.press(listed, f"Cancel #{second.pk}")
    chat.wait(listed, "Cancelled")
    chat.press(listed, f"Try again #{second.pk}")
    chat.wait(listed, "Looking for the best release")
    assert set(Download.objects.values_list("phase", flat=True)) == {"queued", "searching"}


def test_a_press_that_cannot_be_obeyed_says_why_and_leaves_the_message(alice: User, link: Link) -> None:
    download = downloading(alice, make_media())
    chat = link(alice)
    listed = chat.ask("/downloads")
    rows.move(download.pk, Phase.FAILED, reason="Disk full")
    after = chat.count()
    chat.press(listed, "Pause")
    assert "it cannot be paused now" in chat.toast(after)
    assert chat.message(listed["id"]) == listed


@pytest.mark.parametrize("how", ["foreign", "old", "altered", "garbage", "relinked"])
def test_a_button_that_is_not_for_them_does_nothing(
    alice: User, bob: User, link: Link, telegram: Demo, how: str
) -> None:
    download = downloading(alice, make_media())
    chat, other = link(alice), link(bob, BOB)
    listed, presser = chat.ask("/downloads"), chat
    key = chat.key(listed, "Cancel")
    if how == "foreign":
        presser = other
    elif how == "old":
        key = buttons.sign(buttons.Owner(ALICE, alice.pk), "c", download.pk, 0, now=0)
    elif how == "altered":
        key = key.replace("c.", "p.", 1)
    elif how == "garbage":
        key = "c.1.0"
    else:
        key = buttons.sign(buttons.Owner(ALICE, bob.pk), "c", download.pk, 0)
    after = chat.count()
    presser.push(listed, key)
    assert presser.toast(after) == VOID
    assert Download.objects.get().phase == "downloading"


def test_a_button_in_a_group_does_nothing(alice: User, link: Link, telegram: Demo) -> None:
    download = downloading(alice, make_media())
    chat = link(alice)
    listed, after = chat.ask("/downloads"), chat.count()
    group = Chat(telegram, ALICE, chat_id=-77, chat_type="group")
    group.push(listed, chat.key(listed, "Cancel"))
    assert "private chat" in group.toast(after)
    assert Download.objects.get(pk=download.pk).phase == "downloading"


def followed(chat: Chat, listed_title: str = "night tram") -> dict[str, object]:
    """A message that keeps telling how a download goes."""
    found = chat.ask(f"/search {listed_title}")
    chat.press(found, "1.")
    chat.wait(found, "film · Drama")
    chat.press(found, "Download the best")
    return chat.wait(found, "Looking for the best release")


def test_progress_is_edited_into_one_message_until_it_ends(alice: User, link: Link) -> None:
    chat = link(alice)
    message = followed(chat)
    download = Download.objects.get()
    rows.move(download.pk, Phase.QUEUED, after=[Phase.SEARCHING], name="Some.Release")
    chat.wait(message, "Some.Release\nWaiting for its turn")
    rows.move(download.pk, Phase.DOWNLOADING)
    Download.objects.update(progress=42.4, bytes_total=700_000_000, rate=1_200_000, eta=90)
    assert "700 MB · 1.2 MB/s · 1 min left" in chat.wait(message, "Downloading: 42 %")["text"]
    rows.move(download.pk, Phase.FAILED, reason="Disk full")
    ended = chat.wait(message, "Failed: Disk full")
    assert list(ended["keys"]) == ["Try again", "Take another release"]
    until(lambda: not LiveMessage.objects.exists(), what="the end of following")
    chat.press(message, "Try again")
    chat.wait(message, "Looking for the best release")
    assert len(chat.messages()) == 1


def test_a_message_with_its_own_buttons_goes_on_telling(alice: User, link: Link) -> None:
    chat = link(alice)
    message = followed(chat)
    rows.move(Download.objects.get().pk, Phase.QUEUED, after=[Phase.SEARCHING])
    chat.wait(message, "Waiting for its turn")
    chat.press(message, "Pause")
    chat.wait(message, "Paused at 0 %")
    chat.press(message, "Resume")
    chat.wait(message, "Waiting for its turn")
    chat.press(message, "Cancel")
    assert list(chat.wait(message, "Cancelled")["keys"]) == ["Try again"]


def test_nothing_is_told_to_who_was_unlinked_meanwhile(alice: User, link: Link) -> None:
    chat = link(alice)
    message = followed(chat)
    chat.ask("/unlink")
    until(lambda: not LiveMessage.objects.exists(), what="the end of following")
    rows.move(Download.objects.get().pk, Phase.FAILED, reason="Disk full")
    chat.ask("/help")
    assert "Disk full" not in chat.message(int(str(message["id"])))["text"]


def test_a_message_that_was_deleted_is_let_go(alice: User, link: Link, telegram: Demo) -> None:
    followed(link(alice))
    telegram.misbehave("telegram", "status", path_prefix="editMessageText", code=400)
    rows.move(Download.objects.get().pk, Phase.QUEUED, after=[Phase.SEARCHING])
    until(lambda: not LiveMessage.objects.exists(), what="being let go")


def test_buttons_that_grow_old_are_renewed(alice: User, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = link(alice)
    message = followed(chat)
    before = chat.key(chat.message(int(str(message["id"]))), "Cancel")
    monkeypatch.setattr(buttons, "VALID", buttons.VALID + 1)

    def renewed() -> bool:
        """An edit that is under way keeps its own time, so the clock is set back until it counts."""
        LiveMessage.objects.update(edited_at=timezone.now() - 2 * live.FRESH, due_at=timezone.now())
        return chat.key(message, "Cancel") != before

    until(renewed, what="a new signature")


def test_a_failed_search_says_why_and_may_be_repeated(alice: User, link: Link) -> None:
    chat = link(alice)
    found = chat.ask("/search night tram")
    chat.press(found, "1.")
    chat.wait(found, "film · Drama")
    chat.press(found, "Find releases")
    chat.wait(found, "Asking the indexers for releases of The Last Night Tram (2015)…")
    Job.objects.filter(kind="search").update(
        status="Failed", error="No indexer is configured.", finished_at=timezone.now()
    )
    failed = chat.wait(found, "failed: No indexer is configured.")
    assert list(failed["keys"]) == ["Search again"]
