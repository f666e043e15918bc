"""Why a release is refused or gets its points: a stable code, its parameters, and the sentence for people (docs/reasons.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

Sentences = Mapping[str, Promise]

# What it is (match).
_OTHER: Sentences = {
    "wrong_title": gettext_lazy("The title is “{found}”, wanted is “{wanted}”."),
    "wrong_year": gettext_lazy("The year is {found}, wanted is {wanted}."),
    "wrong_kind": gettext_lazy("This is {found}, wanted is {wanted}."),
    "wrong_season": gettext_lazy("It holds season {found}, wanted is season {wanted}."),
    "wrong_episode": gettext_lazy("It holds episode {found}, wanted is episode {wanted}."),
    "partial_season": gettext_lazy("It holds only a part of season {wanted}."),
}
# How good it is (rank), refusals.
_UNWANTED: Sentences = {
    "cam": gettext_lazy("It was filmed in a cinema (CAM)."),
    "telesync": gettext_lazy("It was filmed in a cinema with direct sound (telesync)."),
    "telecine": gettext_lazy("It was copied from a cinema reel (telecine)."),
    "screener": gettext_lazy("It is a preview copy (screener)."),
    "workprint": gettext_lazy("It is an unfinished version (workprint)."),
    "disc": gettext_lazy("It is a whole disc with its menus, not a film to play."),
    "raw": gettext_lazy("It is a raw recording of a broadcast."),
    "source_unwanted": gettext_lazy("Its source, {found}, is not wanted by the profile."),
    "resolution_unwanted": gettext_lazy("Its resolution, {found}, is not wanted by the profile."),
    "quality_unwanted": gettext_lazy("Its quality, {found}, is not wanted by the profile."),
    "sample": gettext_lazy("It is a sample, not the whole."),
    "archived": gettext_lazy("It is packed in an archive ({found})."),
    "hardcoded_unwanted": gettext_lazy("Subtitles are burnt into the picture, which the profile does not want."),
    "blocked_word": gettext_lazy("Its name has the blocked word “{word}”."),
    "missing_word": gettext_lazy("Its name has none of the required words: {words}."),
    "wrong_language": gettext_lazy("Its languages are {found}, wanted is {wanted}."),
    "too_small": gettext_lazy("It has {found} MB a minute, at least {wanted} are wanted."),
    "too_large": gettext_lazy("It has {found} MB a minute, at most {wanted} are wanted."),
    "size_unknown": gettext_lazy("The indexer does not tell its size, which the profile wants to know."),
    "too_few_seeders": gettext_lazy("It has {found} seeders, at least {wanted} are wanted."),
    "format_score_too_low": gettext_lazy("Its formats are worth {found} points, at least {wanted} are wanted."),
}
# Whether it is better than what is there (upgrade).
_NO_BETTER: Sentences = {
    "upgrades_not_allowed": gettext_lazy("It would be better, but the profile asks for no upgrades."),
    "cutoff_met": gettext_lazy("What is there, {found}, is as good as the profile asks for: {wanted}."),
    "not_an_upgrade": gettext_lazy("It is no better than what is there: {found} against {wanted}."),
    "upgrade_too_small": gettext_lazy(
        "It is worth {found} points more than what is there, at least {wanted} are wanted."
    ),
    "other_group": gettext_lazy("It corrects a release of {found}; what is there is of {wanted}."),
}
# Whether it may be taken now (blocklist, moment).
_NOT_NOW: Sentences = {
    "blocklisted": gettext_lazy("It is on the blocklist: {why}."),
    "too_young": gettext_lazy("It is {found} minutes old; the profile wants releases of at least {wanted}."),
    "delayed": gettext_lazy("It is {found} minutes old; for {wanted} minutes the profile waits for a better one."),
}
REFUSALS: Sentences = {**_OTHER, **_UNWANTED, **_NO_BETTER, **_NOT_NOW}
POINTS: Sentences = {
    "resolution": gettext_lazy("Resolution {found}."),
    "source": gettext_lazy("Source {found}."),
    "resolution_assumed": gettext_lazy("Resolution {found}, as is usual where the name gives none."),
    "source_assumed": gettext_lazy("Source {found}, as is usual where the name gives none."),
    "codec": gettext_lazy("Video codec {found}."),
    "hdr": gettext_lazy("Colours: {found}."),
    "audio": gettext_lazy("Sound: {found}."),
    "language": gettext_lazy("Language: {found}."),
    "proper": gettext_lazy("A corrected release ({found})."),
    "hardcoded": gettext_lazy("Subtitles are burnt into the picture."),
    "preferred_word": gettext_lazy("Its name has the preferred word “{word}”."),
    "seeders": gettext_lazy("{found} seeders."),
    "size": gettext_lazy("{found} MB a minute; about {wanted} are preferred."),
    "quality": gettext_lazy("Quality {found}."),
    "quality_assumed": gettext_lazy("Quality {found}, as is usual where the name tells less."),
    "format": gettext_lazy("Custom format “{name}”."),
    "format_failed": gettext_lazy(
        "Whether it is of the custom format “{name}” could not be told: the search took too long."
    ),
    "year_missing": gettext_lazy("The name gives no year."),
    "year_ambiguous": gettext_lazy("The name gives no year, and other works have this title."),
    "year_near": gettext_lazy("The year is {found} instead of {wanted}."),
}
SENTENCES: Sentences = {**REFUSALS, **POINTS}
# Parameters that are words and not facts.
_WORDS: Sentences = {"a film": gettext_lazy("a film"), "a series": gettext_lazy("a series")}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One finding about a release. points is 0 for a refusal."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)
    points: int = 0

    def sentence(self) -> str:
        """The finding in the language that is active, with what was found and what was wanted."""
        values = {name: _shown(value) for name, value in self.params.items()}
        return str(SENTENCES[self.code]).format_map(values)

    def to_json(self) -> dict[str, object]:
        """As it is stored; `told` reads it again."""
        params = {name: str(value) if isinstance(value, date) else value for name, value in self.params.items()}
        return {"code": self.code, "params": params, "points": self.points}


def _shown(value: object) -> object:
    """A parameter for people: words in their language, numbers with their sign for the decimals and none for nothing."""
    if isinstance(value, float):
        return number_format(int(value) if value.is_integer() else value)
    return _WORDS.get(str(value), value)


def told(entry: object) -> dict[str, object]:
    """A stored finding for a reader: {code, params, points, sentence in the language that is active}.

    What was stored with a sentence, or by a version that knew other codes, says what it said.
    """
    stored: Mapping[str, object] = entry if isinstance(entry, dict) else {}
    code, params, points = str(stored.get("code", "")), stored.get("params"), stored.get("points", 0)
    verdict = Verdict(code, params if isinstance(params, dict) else {}, points if isinstance(points, int) else 0)
    try:
        sentence = str(stored.get("sentence") or "") or verdict.sentence()
    except (LookupError, ValueError):
        sentence = code
    return {**verdict.to_json(), "sentence": sentence}
