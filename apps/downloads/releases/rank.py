"""What a release is worth to a profile: refused with reasons, or a score whose parts add up."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apps.downloads.releases.formats import Score, Subject
from apps.downloads.releases.formats import score as format_score
from apps.downloads.releases.match import Wanted, is_ambiguous, mismatches, year_distance
from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.profile import MB, Profile
from apps.downloads.releases.qualities import quality
from apps.downloads.releases.tongues import ORIGINAL
from apps.downloads.releases.verdict import Verdict

# A sample is shorter than this part of the runtime.
SAMPLE_PART = 0.1

_THEATRE = {
    "CAM": "cam",
    "TS": "telesync",
    "TC": "telecine",
    "SCR": "screener",
    "R5": "screener",
    "WORKPRINT": "workprint",
}
# Qualities that have a sentence of their own.
_WHOLE = {"BR-DISK": "disc", "Raw-HD": "raw"}
_ARCHIVES = frozenset({"rar", "zip", "7z", "tar"})
# Points for each place in the profile's order. One of resolution outweighs everything else but preferred words.
_RESOLUTION, _SOURCE, _CODEC, _LANGUAGE = 1000, 40, 20, 50
# One place of a tier outweighs all custom formats together: published ones give tens of thousands at most.
_TIER = 1_000_000
# What may be another work of the same title is only taken where nothing says which work it is.
_NAMESAKE = 100 * _TIER
_AUDIO = {"Atmos": 30, "TrueHD": 25, "DTS-HD MA": 25, "DTS:X": 25, "FLAC": 15, "DDP": 15, "DTS": 10, "DD": 10, "AAC": 5}
_SEEDERS_TOP, _SIZE_TOP = 100, 50


@dataclass(frozen=True, slots=True)
class Offer:
    """A release as an indexer offers it: size in bytes."""

    title: str
    size: int
    seeders: int


@dataclass(frozen=True, slots=True)
class Decision:
    """score is None where anything refuses the release; else the sum of the points of its reasons."""

    score: int | None
    reasons: tuple[Verdict, ...] = ()
    rejections: tuple[Verdict, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it is stored with the release: parameters and no sentences, which each reader gets in their language."""
        return {
            "score": self.score,
            "reasons": [verdict.to_json() for verdict in self.reasons],
            "rejections": [verdict.to_json() for verdict in self.rejections],
        }


def decide(
    wanted: Wanted,
    name: ReleaseName,
    size: int,
    seeders: int | None,
    profile: Profile,
    flags: frozenset[str] = frozenset(),
) -> Decision:
    """Judge one release: size in bytes, 0 where unknown; seeders None where the indexer does not tell.

    flags: what the indexer says of it, of formats.FLAGS. The same arguments always give the same decision, unless a
    custom format takes too long.
    """
    rate = mb_per_minute(wanted, name, size)
    formats = format_score(Subject(name, size, flags, wanted.original_language, wanted.year), profile.formats)
    languages = _languages(wanted, profile)
    rejections = (
        *mismatches(wanted, name),
        *_refusals(name, rate, seeders, profile, languages),
        *_size_refusals(size, rate, profile),
        *_format_refusals(formats, profile),
    )
    reasons = (*_points(wanted, name, rate, seeders, profile, languages), *_format_points(formats))
    score = None if rejections else sum(reason.points for reason in reasons)
    return Decision(score=score, reasons=reasons, rejections=rejections)


def order(decision: Decision, offer: Offer) -> tuple[bool, int, int, int, str]:
    """Sort key, best first: accepted by score, then more seeders, then smaller, then by title."""
    return (decision.score is None, -(decision.score or 0), -offer.seeders, offer.size, offer.title)


def is_sample(name: ReleaseName, seconds: float | None = None, runtime: int | None = None) -> bool:
    """Whether a release or a file of it is a sample: named so, or its length is under 10 % of runtime (minutes)."""
    return name.sample or bool(seconds is not None and runtime and seconds < SAMPLE_PART * runtime * 60)


def mb_per_minute(wanted: Wanted, name: ReleaseName, size: int) -> float | None:
    """Megabytes a minute; None where the length is not known, as of a whole season."""
    if not wanted.runtime or size <= 0 or (wanted.kind == "tv" and not name.episodes and name.seasons):
        return None
    return size / MB / (wanted.runtime * max(1, len(name.episodes)))


def _languages(wanted: Wanted, profile: Profile) -> tuple[str, ...]:
    """Those of the profile, with the work's own in the place of “original”; without it where it is not known."""
    spoken = (wanted.original_language if code == ORIGINAL else code for code in profile.languages)
    return tuple(dict.fromkeys(code for code in spoken if code is not None))


def _refusals(
    name: ReleaseName, rate: float | None, seeders: int | None, profile: Profile, languages: tuple[str, ...]
) -> Iterable[Verdict]:
    yield from _tier_refusals(name, profile) if profile.tiers else _source_refusals(name, profile)
    if not profile.tiers and name.resolution is not None and name.resolution not in profile.resolutions:
        yield Verdict("resolution_unwanted", {"found": name.resolution})
    if name.sample:
        yield Verdict("sample")
    if name.container in _ARCHIVES:
        yield Verdict("archived", {"found": name.container})
    if name.hardcoded and profile.refuse_hardcoded:
        yield Verdict("hardcoded_unwanted")
    yield from _word_refusals(name.raw, profile)
    yield from _language_refusals(name, profile, languages)
    if seeders is not None and seeders < profile.min_seeders:
        yield Verdict("too_few_seeders", {"found": seeders, "wanted": profile.min_seeders})


def _tier_refusals(name: ReleaseName, profile: Profile) -> Iterable[Verdict]:
    found = quality(name).name
    tier = profile.tier(found)
    if tier is None or not tier.allowed:
        code = _THEATRE.get(name.source or "") or _WHOLE.get(found)
        yield Verdict(code) if code else Verdict("quality_unwanted", {"found": found})


def _format_refusals(formats: Score, profile: Profile) -> Iterable[Verdict]:
    if profile.formats and formats.total < profile.minimum_format_score:
        yield Verdict("format_score_too_low", {"found": formats.total, "wanted": profile.minimum_format_score})


def _origin(name: ReleaseName) -> str | None:
    return "Remux" if name.remux else name.source


def _source_refusals(name: ReleaseName, profile: Profile) -> Iterable[Verdict]:
    if quality(name).name == "BR-DISK":  # no source says so by itself, and nothing here plays it
        yield Verdict("disc")
    source = _origin(name)
    if source is None or source in profile.sources:
        return
    code = _THEATRE.get(source)
    yield Verdict(code) if code else Verdict("source_unwanted", {"found": source})


@lru_cache(maxsize=1024)
def _word(word: str) -> re.Pattern[str]:
    """Finds the word as a whole, in any case, whatever separates words in the name."""
    # A part of nothing but separators could be found anywhere among others: searching for many would not end.
    parts = [part for part in word.split() if re.search(r"[^\W_]", part)] or ["".join(word.split())]
    spaced = r"[\W_]+".join(map(re.escape, parts))
    return re.compile(rf"(?<![^\W_]){spaced}(?![^\W_])", re.IGNORECASE)


def _word_refusals(title: str, profile: Profile) -> Iterable[Verdict]:
    for word in profile.blocked_words:
        if _word(word).search(title):
            yield Verdict("blocked_word", {"word": word})
    if profile.required_words and not any(_word(word).search(title) for word in profile.required_words):
        yield Verdict("missing_word", {"words": ", ".join(profile.required_words)})


def _language_refusals(name: ReleaseName, profile: Profile, languages: tuple[str, ...]) -> Iterable[Verdict]:
    # Where only the work's own is wanted and nobody knows it, nothing can be wrong.
    unknown = bool(profile.languages) and not languages
    if not profile.language_required or name.multi or not name.languages or unknown:
        return
    if not set(name.languages) & set(languages):
        yield Verdict("wrong_language", {"found": ", ".join(name.languages), "wanted": ", ".join(languages)})


def _size_refusals(size: int, rate: float | None, profile: Profile) -> Iterable[Verdict]:
    if profile.size_required and size <= 0:
        yield Verdict("size_unknown")
    if rate is None:
        return
    if rate < profile.min_mb_per_minute:
        yield Verdict("too_small", {"found": round(rate, 1), "wanted": profile.min_mb_per_minute})
    if rate > profile.max_mb_per_minute:
        yield Verdict("too_large", {"found": round(rate, 1), "wanted": profile.max_mb_per_minute})


def _points(
    wanted: Wanted,
    name: ReleaseName,
    rate: float | None,
    seeders: int | None,
    profile: Profile,
    languages: tuple[str, ...],
) -> Iterable[Verdict]:
    yield from _quality_points(name, profile)
    spoken = next((code for code in languages if code in name.languages), None)
    yield from _placed("language", spoken, languages, _LANGUAGE)
    yield from _extras(name, profile)
    yield from _year_points(wanted, name)
    for word, points in profile.preferred_words.items():
        if _word(word).search(name.raw):
            yield Verdict("preferred_word", {"word": word}, points)
    yield from _offer_points(rate, seeders, profile)


def _quality_points(name: ReleaseName, profile: Profile) -> Iterable[Verdict]:
    if profile.tiers:
        found = quality(name).name
        assumed = "_assumed" if {"source", "resolution"} & set(name.assumed) else ""
        yield Verdict(f"quality{assumed}", {"found": found}, _TIER * profile.place(found))
    else:
        yield from _placed(_told("resolution", name), name.resolution, profile.resolutions, _RESOLUTION)
        yield from _placed(_told("source", name), _origin(name), profile.sources, _SOURCE)
    if not profile.formats:
        yield from _placed("codec", name.codec, profile.codecs, _CODEC)


def _format_points(formats: Score) -> Iterable[Verdict]:
    for scored in formats.formats:
        yield Verdict("format", {"name": scored.format.name}, scored.score)
    for name in formats.failed:
        yield Verdict("format_failed", {"name": name})


def _told(code: str, name: ReleaseName) -> str:
    return f"{code}_assumed" if code in name.assumed else code


def _placed(code: str, value: str | None, places: tuple[str, ...], step: int) -> Iterable[Verdict]:
    """Points by the place of the value in an ordered list: one step for the last, one more for each before it."""
    if value is not None and value in places:
        yield Verdict(code, {"found": value}, step * (len(places) - places.index(value)))


def _extras(name: ReleaseName, profile: Profile) -> Iterable[Verdict]:
    if not profile.formats and profile.hdr_preferred and name.hdr and name.hdr != ("SDR",):
        yield Verdict("hdr", {"found": ", ".join(name.hdr)}, 30)
    if not profile.formats and name.audio:
        best = max(_AUDIO.get(kind, 0) for kind in name.audio)
        yield Verdict("audio", {"found": ", ".join(name.audio)}, best)
    if profile.prefer_propers and (name.proper or name.repack or name.real):
        kinds = [kind for kind in ("proper", "repack", "real") if getattr(name, kind)]
        yield Verdict("proper", {"found": ", ".join(kinds)}, 15 * len(kinds))
    if name.hardcoded:
        yield Verdict("hardcoded", {}, -100)


def _year_points(wanted: Wanted, name: ReleaseName) -> Iterable[Verdict]:
    distance = year_distance(wanted, name)
    if is_ambiguous(wanted, name):
        yield Verdict("year_ambiguous", {}, -_NAMESAKE)
    elif distance is None:
        if wanted.kind == "movie" and wanted.year is not None:
            yield Verdict("year_missing", {}, -50)
    elif distance:
        yield Verdict("year_near", {"found": name.year, "wanted": wanted.year}, -25)


def _offer_points(rate: float | None, seeders: int | None, profile: Profile) -> Iterable[Verdict]:
    """Told without points where there are formats: a point of those is worth more than any number of seeders."""
    weight = 0 if profile.formats else 1
    if seeders is not None:
        # Each doubling of seeders helps the same: 1 to 2 matters as much as 500 to 1000.
        points = min(_SEEDERS_TOP, round(10 * math.log2(1 + max(0, seeders))))
        yield Verdict("seeders", {"found": seeders}, weight * points)
    if rate is not None:
        away = abs(math.log2(rate / profile.preferred_mb_per_minute))
        found = {"found": round(rate, 1), "wanted": profile.preferred_mb_per_minute}
        yield Verdict("size", found, weight * max(0, round(_SIZE_TOP - 15 * away)))
