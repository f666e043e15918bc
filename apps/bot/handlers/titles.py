"""/search and /mylist: from words to a title."""

import re
from typing import Any

from django.utils.translation import gettext as _

from apps.bot import messages
from apps.bot.handlers.registry import Numbers, command, press
from apps.bot.reply import Button, Reply, Sender
from apps.media import services
from sokoul.api import Page

MOST = 8
_EPISODE = re.compile(r"^(.*\S)\s+s(\d{1,2})(?:e(\d{1,3}))?$", re.IGNORECASE)


@command("search")
def search(sender: Sender, argument: str) -> Reply:
    """Of a series also one season or episode: /search Dark S01E02."""
    if not argument.strip():
        return Reply(_("What are you looking for? For example: /search Inception"))
    query, season, episode = wanted(argument)
    found = services.search_titles(query)
    if not found["results"]:
        text = _("No film or series is called “%(query)s”. Check the spelling, or try its original title.")
        return Reply(text % {"query": messages.shortened(query, messages.NAME)})
    buttons = [_leading_to(sender, number, media, season, episode) for number, media in _first(found)]
    return Reply(messages.titles(found, MOST), [[button] for button in buttons])


def wanted(text: str) -> tuple[str, int | None, int | None]:
    """("Dark", 1, 2) of "Dark S01E02"; ("Dark", 1, None) of "Dark S01"; the text itself where it names neither."""
    text = " ".join(text.split())
    found = _EPISODE.match(text)
    if found is None:
        return text, None, None
    return found[1], int(found[2]), int(found[3]) if found[3] else None


def _first(found: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(found["results"][:MOST], 1))


def _leading_to(sender: Sender, number: int, media: dict[str, Any], season: int | None, episode: int | None) -> Button:
    of_series = media["kind"] == "tv"
    text = f"{number}. {messages.label(media['title'], media['year'])}"
    return sender.button(text, "t", media["id"], season if of_series else None, episode if of_series else None)


@press("t")
def title(sender: Sender, numbers: Numbers) -> Reply:
    """One title, and what can be done with it."""
    media_id, season, episode = _three(numbers)
    media = services.details(media_id)
    liked = services.is_favorite(sender.person.pk, media_id)
    star = _("★ Remove from my list") if liked else _("☆ Add to my list")
    rows = [
        [sender.button(_("Find releases"), "f", media_id, season, episode)],
        [sender.button(_("Download the best"), "b", media_id, season, episode)],
        [sender.button(star, "h", media_id, season, episode)],
    ]
    return Reply(messages.title(media, season, episode), rows)


@press("h")
def like(sender: Sender, numbers: Numbers) -> Reply:
    media_id = _three(numbers)[0]
    if services.is_favorite(sender.person.pk, media_id):
        services.remove_favorite(sender.person.pk, media_id)
    else:
        services.add_favorite(sender.person.pk, media_id)
    return title(sender, numbers)


def _three(numbers: Numbers) -> tuple[int, int | None, int | None]:
    media_id, season, episode = numbers
    return media_id or 0, season, episode


@command("mylist")
def mylist(sender: Sender, argument: str) -> Reply:
    return _favourites(sender, 1)


@press("m")
def mylist_page(sender: Sender, numbers: Numbers) -> Reply:
    return _favourites(sender, numbers[0] or 1)


def _favourites(sender: Sender, page: int) -> Reply:
    found = services.favorites(sender.person.pk, Page(page, MOST))
    if not found["results"]:
        return Reply(_("Your list is empty. Find a title with /search and press “☆ Add to my list”."))
    first = (page - 1) * MOST + 1
    lines = [
        f"{number}. {messages.label(media['title'], media['year'])}, {messages.kind(media)}"
        for number, media in enumerate(found["results"], first)
    ]
    rows = [[_leading_to(sender, number, media, None, None)] for number, media in enumerate(found["results"], first)]
    turn = [sender.button("◀", "m", page - 1)] if page > 1 else []
    turn += [sender.button("▶", "m", page + 1)] if found["total"] > page * MOST else []
    return Reply("\n".join([_("Your list:"), "", *lines]), [*rows, turn] if turn else rows)
