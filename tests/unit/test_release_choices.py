"""Which release is taken for a title, and what is said of each: cases/choices.txt, from the name to the choice."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from apps.downloads.releases.choice import is_single, pick
from apps.downloads.releases.match import Wanted
from apps.downloads.releases.parse import parse, to_json
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.rank import Decision, Offer, decide, order

CASES = Path(__file__).parent / "cases/choices.txt"
_KINDS = {"film": "movie", "series": "tv"}
_WANTED = re.compile(r"(film|series) (.+) \((\d{4})\)(?: S(\d+)(?:E(\d+))?)?$")


@dataclass(frozen=True)
class Release:
    mark: str
    name: str
    codes: list[str]
    mb: int = 0
    seeders: int = 20


@dataclass(frozen=True)
class Case:
    proves: str
    wanted: Wanted
    profile: Profile
    releases: list[Release] = field(default_factory=list)

    @property
    def right(self) -> str | None:
        return next((release.name for release in self.releases if release.mark == "*"), None)


def _span(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("-")))


_DETAILS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "namesakes": ("namesakes", lambda text: tuple(map(int, text.split()))),
    "runtime": ("runtime", int),
    "absolute": ("absolute_episode", int),
    "span": ("absolute_span", _span),
    "aired": ("air_date", date.fromisoformat),
    "language": ("original_language", str),
}


def _case(lines: list[str]) -> Case:
    proves, described, *offered = lines
    subject, *details = described.split("; ")
    found = _WANTED.match(subject)
    assert found is not None, described
    kind, title, year, season, episode = found.groups()
    facts: dict[str, Any] = {"year": int(year)}
    facts |= {name: int(number) for name, number in (("season", season), ("episode", episode)) if number}
    words = [detail.partition(" ") for detail in details]
    facts["titles"] = tuple(value for word, _, value in words if word == "also")
    facts |= {_DETAILS[word][0]: _DETAILS[word][1](value) for word, _, value in words if word in _DETAILS}
    profile = next((json.loads(value) for word, _, value in words if word == "profile"), {})
    wanted = Wanted(_KINDS[kind], title, **facts)  # type: ignore[arg-type]
    return Case(proves, wanted, Profile(**profile), [_release(line) for line in offered])


def _release(line: str) -> Release:
    named, _, codes = line[2:].partition(" -> ")
    name, *offer = re.split(r" ~ (?=(?:mb|seeders) \d)", named)
    numbers = dict(part.split() for part in offer[0].split(", ")) if offer else {}
    return Release(line[0], name, codes.split(), **{key: int(value) for key, value in numbers.items()})


def cases() -> Iterator[Case]:
    text = re.sub(r"^#.*\n", "", CASES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for block in re.split(r"\n\s*\n", text):
        if lines := block.strip().splitlines():
            yield _case(lines)


ALL = list(cases())


def decisions(case: Case) -> list[Decision]:
    return [
        decide(case.wanted, parse(release.name), release.mb * 1_000_000, release.seeders, case.profile)
        for release in case.releases
    ]


def chosen(case: Case) -> str | None:
    """The name of the release that is taken, as `search.best` takes it."""
    judged = sorted(
        zip(decisions(case), case.releases, strict=True),
        key=lambda pair: order(pair[0], Offer(pair[1].name, pair[1].mb, pair[1].seeders)),
    )
    fit = [parse(release.name) for decision, release in judged if decision.score is not None]
    series = case.wanted.kind == "tv"
    taken = pick(fit, lambda name: series and is_single(to_json(name)), case.wanted.season, case.wanted.episode)
    return taken.raw if taken else None


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.proves)
def test_the_right_release_is_taken_and_everything_is_told(case: Case) -> None:
    told = {
        release.name: (
            "!" if decision.score is None else "+",
            [v.code for v in decision.rejections or decision.reasons],
        )
        for release, decision in zip(case.releases, decisions(case), strict=True)
    }
    assert told == {release.name: (release.mark.replace("*", "+"), release.codes) for release in case.releases}
    assert chosen(case) == case.right


def test_there_are_enough_cases_of_each_sort() -> None:
    assert len(ALL) >= 300
    assert len({case.proves for case in ALL}) == len(ALL)
    assert sum(case.right is None for case in ALL) >= 10
    assert sum(case.wanted.kind == "tv" for case in ALL) >= 100
