"""What a release is worth to a profile: refused with reasons, or a score whose parts add up."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from apps.downloads.releases.match import Wanted, mismatches, year_distance
from apps.downloads.releases.name import ReleaseName
from apps.downloads.releases.profile import MB, Profile
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
# Points for each place in the profile's order. One of resolution outweighs everything else but preferred words.
_RESOLUTION, _SOURCE, _CODEC, _LANGUAGE = 1000, 40, 20, 50
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

    def to_json(self) -> dict[str, object]:
        """As it is stored with the release and answered by the API."""
        return {
            "score": self.score,
            "reasons": [{"code": v.code, "points": v.points, "sentence": v.sentence()} for v in self.reasons],
            "rejections": [{"code": v.code, "sentence": v.sentence()} for v in self.rejections],
        }


def decide(wanted: Wanted, name: ReleaseName, size: int, seeders: int | None, profile: Profile) -> Decision:
    """Judge one release: size in bytes, 0 where unknown; seeders None where the indexer does not tell.

    The same arguments always give the same decision.
    """
    rate = mb_per_minute(wanted, name, size)
    rejections = (*mismatches(wanted, name), *_refusals(name, rate, seeders, profile))
    reasons = tuple(_points(wanted, name, rate, seeders, profile))
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


def _refusals(name: ReleaseName, rate: float | None, seeders: int | None, profile: Profile) -> Iterable[Verdict]:
    yield from _source_refusals(name, profile)
    if name.resolution is not None and name.resolution not in profile.resolutions:
        yield Verdict("resolution_unwanted", {"found": name.resolution})
    if name.sample:
        yield Verdict("sample")
    yield from _word_refusals(name.raw, profile)
    yield from _language_refusals(name, profile)
    yield from _size_refusals(rate, profile)
    if seeders is not None and seeders < profile.min_seeders:
        yield Verdict("too_few_seeders", {"found": seeders, "wanted": profile.min_seeders})


def _tier(name: ReleaseName) -> str | None:
    return "Remux" if name.remux else name.source


def _source_refusals(name: ReleaseName, profile: Profile) -> Iterable[Verdict]:
    source = _tier(name)
    if source is None or source in profile.sources:
        return
    code = _THEATRE.get(source)
    yield Verdict(code) if code else Verdict("source_unwanted", {"found": source})


@lru_cache(maxsize=1024)
def _word(word: str) -> re.Pattern[str]:
    """Finds the word as a whole, in any case, whatever separates words in the name."""
    spaced = r"[\W_]+".join(map(re.escape, word.split()))
    return re.compile(rf"(?<![^\W_]){spaced}(?![^\W_])", re.IGNORECASE)


def _word_refusals(title: str, profile: Profile) -> Iterable[Verdict]:
    for word in profile.blocked_words:
        if _word(word).search(title):
            yield Verdict("blocked_word", {"word": word})
    if profile.required_words and not any(_word(word).search(title) for word in profile.required_words):
        yield Verdict("missing_word", {"words": ", ".join(profile.required_words)})


def _language_refusals(name: ReleaseName, profile: Profile) -> Iterable[Verdict]:
    if not profile.language_required or name.multi or not name.languages:
        return
    if not set(name.languages) & set(profile.languages):
        yield Verdict("wrong_language", {"found": ", ".join(name.languages), "wanted": ", ".join(profile.languages)})


def _size_refusals(rate: float | None, profile: Profile) -> Iterable[Verdict]:
    if rate is None:
        return
    if rate < profile.min_mb_per_minute:
        yield Verdict("too_small", {"found": round(rate, 1), "wanted": profile.min_mb_per_minute})
    if rate > profile.max_mb_per_minute:
        yield Verdict("too_large", {"found": round(rate, 1), "wanted": profile.max_mb_per_minute})


def _points(
    wanted: Wanted, name: ReleaseName, rate: float | None, seeders: int | None, profile: Profile
) -> Iterable[Verdict]:
    yield from _placed(_told("resolution", name), name.resolution, profile.resolutions, _RESOLUTION)
    yield from _placed(_told("source", name), _tier(name), profile.sources, _SOURCE)
    yield from _placed("codec", name.codec, profile.codecs, _CODEC)
    spoken = next((code for code in profile.languages if code in name.languages), None)
    yield from _placed("language", spoken, profile.languages, _LANGUAGE)
    yield from _extras(name, profile)
    yield from _year_points(wanted, name)
    for word, points in profile.preferred_words.items():
        if _word(word).search(name.raw):
            yield Verdict("preferred_word", {"word": word}, points)
    yield from _offer_points(rate, seeders, profile)


def _told(code: str, name: ReleaseName) -> str:
    return f"{code}_assumed" if code in name.assumed else code


def _placed(code: str, value: str | None, places: tuple[str, ...], step: int) -> Iterable[Verdict]:
    """Points by the place of the value in an ordered list: one step for the last, one more for each before it."""
    if value is not None and value in places:
        yield Verdict(code, {"found": value}, step * (len(places) - places.index(value)))


def _extras(name: ReleaseName, profile: Profile) -> Iterable[Verdict]:
    if profile.hdr_preferred and name.hdr and name.hdr != ("SDR",):
        yield Verdict("hdr", {"found": ", ".join(name.hdr)}, 30)
    if name.audio:
        best = max(_AUDIO.get(kind, 0) for kind in name.audio)
        yield Verdict("audio", {"found": ", ".join(name.audio)}, best)
    if name.proper or name.repack or name.real:
        kinds = [kind for kind in ("proper", "repack", "real") if getattr(name, kind)]
        yield Verdict("proper", {"found": ", ".join(kinds)}, 15 * len(kinds))
    if name.hardcoded:
        yield Verdict("hardcoded", {}, -100)


def _year_points(wanted: Wanted, name: ReleaseName) -> Iterable[Verdict]:
    distance = year_distance(wanted, name)
    if distance is None:
        if wanted.kind == "movie" and wanted.year is not None:
            yield Verdict("year_missing", {}, -50)
    elif distance:
        yield Verdict("year_near", {"found": name.year, "wanted": wanted.year}, -25)


def _offer_points(rate: float | None, seeders: int | None, profile: Profile) -> Iterable[Verdict]:
    if seeders is not None:
        # Each doubling of seeders helps the same: 1 to 2 matters as much as 500 to 1000.
        points = min(_SEEDERS_TOP, round(10 * math.log2(1 + max(0, seeders))))
        yield Verdict("seeders", {"found": seeders}, points)
    if rate is not None:
        away = abs(math.log2(rate / profile.preferred_mb_per_minute))
        found = {"found": round(rate, 1), "wanted": profile.preferred_mb_per_minute}
        yield Verdict("size", found, max(0, round(_SIZE_TOP - 15 * away)))
