"""Texts: titles, releases, downloads and jobs as a chat shows them, in the language that is active."""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from sokoul.templatetags import shown

LONGEST = 4096  # UTF-16 units (core.telegram.org/bots/api#sendmessage)
OVERVIEW = 600  # characters
NAME = 120
REASONS = 3


def width(text: str) -> int:
    """Length as Telegram counts it."""
    return len(text.encode("utf-16-le")) // 2


def split(text: str, most: int = LONGEST) -> list[str]:
    """Parts that each fit into one message: at the ends of lines where there are any, never within a character."""
    parts, rest = [], text
    while width(rest) > most:
        head = rest.encode("utf-16-le")[: most * 2].decode("utf-16-le", errors="ignore")
        line = head.rfind("\n")
        end = line if line > 0 else len(head)
        parts.append(rest[:end])
        rest = rest[end:].lstrip("\n") if line > 0 else rest[end:]
    return [part for part in [*parts, rest] if part.strip()] or ["…"]


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def label(title: str, year: int | None, season: int | None = None, episode: int | None = None) -> str:
    """Inception (2010); with a season or an episode: Dark (2017) S01E02."""
    code = "" if season is None else f" S{season:02d}" + ("" if episode is None else f"E{episode:02d}")
    return shortened(title, NAME) + (f" ({year})" if year else "") + code


def kind(media: dict[str, Any]) -> str:
    return _("series") if media["kind"] == "tv" else _("film")


def titles(found: dict[str, Any], most: int) -> str:
    """The list that a search gives, numbered as its buttons."""
    lines = [f"{n}. {label(m['title'], m['year'])}, {kind(m)}" for n, m in enumerate(found["results"][:most], 1)]
    if found["degraded"]:
        lines += ["", _("TMDB does not answer, so this may be old or not all.")]
    if found["total"] > most:
        lines += ["", _("There are more. Add the year to find the right one: /search Inception 2010")]
    return "\n".join([_("Which one?"), "", *lines])


def title(media: dict[str, Any], season: int | None, episode: int | None) -> str:
    facts = [kind(media), shown.minutes(media["runtime"]) if media["runtime"] else "", ", ".join(media["genres"][:4])]
    text = f"{label(media['title'], media['year'], season, episode)}\n{' · '.join(filter(None, facts))}"
    return f"{text}\n\n{shortened(media['overview'], OVERVIEW)}" if media["overview"] else text


def release(number: int, row: dict[str, Any]) -> str:
    """One accepted release: its name, its numbers, and what speaks most for it."""
    seeders = ngettext("%(count)d seeder", "%(count)d seeders", row["seeders"]) % {"count": row["seeders"]}
    size = shown.size(row["size"]) if row["size"] else ""
    score = ngettext("%(count)d point", "%(count)d points", row["score"]) % {"count": row["score"]}
    best = sorted(row["reasons"], key=lambda reason: -reason["points"])[:REASONS]
    why = ", ".join(f"{reason['sentence'].rstrip('.')} ({reason['points']:+d})" for reason in best)
    return f"{number}. {shortened(row['title'], NAME)}\n{' · '.join(filter(None, [size, seeders, score]))}\n{why}"


def refused(row: dict[str, Any]) -> str:
    why = " ".join(rejection["sentence"] for rejection in row["rejections"][:REASONS])
    return f"✗ {shortened(row['title'], NAME)}\n{why}"


def releases(name: str, accepted: list[dict[str, Any]], rejected: list[dict[str, Any]], warnings: list[str]) -> str:
    parts = [release(number, row) for number, row in enumerate(accepted, 1)]
    if accepted:
        parts.insert(0, _("%(title)s: the best releases first. Choose one.") % {"title": name})
    elif rejected:
        parts.insert(0, _("%(title)s: every release that was found is refused.") % {"title": name})
    else:
        parts.insert(0, _("%(title)s: the indexers know no release.") % {"title": name})
    if rejected and accepted:
        parts.append(_("Refused, among others:"))
    parts += [refused(row) for row in rejected]
    if warnings:
        parts.append(_("Not every indexer answered: %(what)s") % {"what": " ".join(warnings[:3])})
    return "\n\n".join(parts)


def _downloading(row: dict[str, Any]) -> str:
    facts = [_("Downloading: %(percent)d %%") % {"percent": row["progress"]}]
    facts += [shown.size(row["bytes_total"])] if row["bytes_total"] else []
    facts += [shown.rate(row["rate"])] if row["rate"] else []
    facts += [shown.left(row["eta"])] if row["eta"] is not None else []
    facts += [row["reason"]] if row["reason"] else []
    return " · ".join(facts)


def _paused(row: dict[str, Any]) -> str:
    return _("Paused at %(percent)d %%") % {"percent": row["progress"]}


def _failed(row: dict[str, Any]) -> str:
    return _("Failed: %(reason)s") % {"reason": row["reason"]}


_PHASES: dict[str, Any] = {
    "searching": gettext_lazy("Looking for the best release"),
    "queued": gettext_lazy("Waiting for its turn"),
    "metadata": gettext_lazy("Asking for the list of its files"),
    "downloading": _downloading,
    "paused": _paused,
    "filing": gettext_lazy("Whole; being filed in your library"),
    "seeding": gettext_lazy("In your library"),
    "done": gettext_lazy("In your library"),
    "failed": _failed,
    "cancelled": gettext_lazy("Cancelled"),
}


def state(row: dict[str, Any]) -> str:
    """Where a download stands, in one line."""
    words: Callable[[dict[str, Any]], str] | str = _PHASES[row["phase"]]
    return words(row) if callable(words) else str(words)


def download(row: dict[str, Any]) -> str:
    name = label(row["title"], row["year"], row["season"], row["episode"])
    release = f"\n{shortened(row['name'], NAME)}" if row["name"] else ""
    return f"{name}{release}\n{state(row)}"


def downloads(rows: list[dict[str, Any]], more: bool) -> str:
    lines = [
        f"#{row['id']} {label(row['title'], row['year'], row['season'], row['episode'])}\n{state(row)}" for row in rows
    ]
    if more:
        lines.append(_("Older ones are on the web page."))
    return "\n\n".join(lines)


_JOBS: dict[tuple[str, str], Any] = {
    ("scout", "search"): gettext_lazy("Search for releases"),
    ("scout", "details"): gettext_lazy("Details of a title"),
    ("hunter", "start"): gettext_lazy("Start of a download"),
}
_STATUSES: dict[str, Any] = {
    "Pending": gettext_lazy("waiting"),
    "Running": gettext_lazy("running"),
    "Completed": gettext_lazy("completed"),
    "Failed": gettext_lazy("failed"),
}


def job(row: dict[str, Any]) -> str:
    """One line about one of a person's jobs."""
    name = _JOBS.get((row["worker"], row["kind"]), row["kind"])
    error = f": {shortened(row['error'], 200)}" if row["error"] else ""
    return f"• {name}: {_STATUSES[row['status']]}{error}"


_WELL, _DOWN = gettext_lazy("well"), gettext_lazy("down")


def health(found: dict[str, dict[str, Any]], *, every: bool) -> str:
    """Whether all is well; `every` component with its latency for admins."""
    well = all(component["status"] == "ok" for component in found.values())
    text = (
        _("Sokoul is well.") if well else _("Something of Sokoul is not well. It goes on by itself once that is back.")
    )
    if not every:
        return text
    lines = [
        f"• {name}: {_WELL if one['status'] == 'ok' else _DOWN} ({one['latency_ms']:.0f} ms)"
        for name, one in found.items()
    ]
    return "\n".join([text, *lines])
