"""Why a release is refused or gets its points: a stable code, its parameters, and the sentence for people."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SENTENCES: Mapping[str, str] = {
    # What it is (match).
    "wrong_title": "The title is “{found}”, wanted is “{wanted}”.",
    "wrong_year": "The year is {found}, wanted is {wanted}.",
    "wrong_kind": "This is {found}, wanted is {wanted}.",
    "wrong_season": "It holds season {found}, wanted is season {wanted}.",
    "wrong_episode": "It holds episode {found}, wanted is episode {wanted}.",
    "partial_season": "It holds only a part of season {wanted}.",
    # How good it is (rank), refusals.
    "cam": "It was filmed in a cinema (CAM).",
    "telesync": "It was filmed in a cinema with direct sound (telesync).",
    "telecine": "It was copied from a cinema reel (telecine).",
    "screener": "It is a preview copy (screener).",
    "workprint": "It is an unfinished version (workprint).",
    "source_unwanted": "Its source, {found}, is not wanted by the profile.",
    "resolution_unwanted": "Its resolution, {found}, is not wanted by the profile.",
    "sample": "It is a sample, not the whole.",
    "blocklisted": "It is on the blocklist: {why}.",
    "blocked_word": "Its name has the blocked word “{word}”.",
    "missing_word": "Its name has none of the required words: {words}.",
    "wrong_language": "Its languages are {found}, wanted is {wanted}.",
    "too_small": "It has {found} MB a minute, at least {wanted} are wanted.",
    "too_large": "It has {found} MB a minute, at most {wanted} are wanted.",
    "too_few_seeders": "It has {found} seeders, at least {wanted} are wanted.",
    "quality_unwanted": "Its quality, {found}, is not wanted by the profile.",
    "format_score_too_low": "Its formats are worth {found} points, at least {wanted} are wanted.",
    # How good it is, points.
    "resolution": "Resolution {found}.",
    "source": "Source {found}.",
    "resolution_assumed": "Resolution {found}, as is usual where the name gives none.",
    "source_assumed": "Source {found}, as is usual where the name gives none.",
    "codec": "Video codec {found}.",
    "hdr": "Colours: {found}.",
    "audio": "Sound: {found}.",
    "language": "Language: {found}.",
    "proper": "A corrected release ({found}).",
    "hardcoded": "Subtitles are burnt into the picture.",
    "preferred_word": "Its name has the preferred word “{word}”.",
    "seeders": "{found} seeders.",
    "size": "{found} MB a minute; about {wanted} are preferred.",
    "quality": "Quality {found}.",
    "quality_assumed": "Quality {found}, as is usual where the name tells less.",
    "format": "Custom format “{name}”.",
    "format_failed": "Whether it is of the custom format “{name}” could not be told: the search took too long.",
    "year_missing": "The name gives no year.",
    "year_ambiguous": "The name gives no year, and other works have this title.",
    "year_near": "The year is {found} instead of {wanted}.",
    # Whether it is better than what is there (upgrade).
    "upgrades_not_allowed": "It would be better, but the profile asks for no upgrades.",
    "cutoff_met": "What is there, {found}, is as good as the profile asks for: {wanted}.",
    "not_an_upgrade": "It is no better than what is there: {found} against {wanted}.",
    "upgrade_too_small": "It is worth {found} points more than what is there, at least {wanted} are wanted.",
    "other_group": "It corrects a release of {found}; what is there is of {wanted}.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One finding about a release. points is 0 for a refusal."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)
    points: int = 0

    def sentence(self) -> str:
        """The finding in plain English, with what was found and what was wanted."""
        return SENTENCES[self.code].format_map(self.params)
