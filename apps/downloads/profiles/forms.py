"""A quality profile as a plain form: lists are written in lines, and each fault is told at its field."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.downloads.profiles import services
from apps.downloads.profiles.models import CustomFormat, ProfileFormat, QualityProfile
from apps.downloads.profiles.services import SETTINGS
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.qualities import RADARR, known
from apps.downloads.releases.trash import DEFAULT_SET, MOST_POINTS
from sokoul.errors import PermanentError

MOST_TEXT = 20_000
REFUSED = "-"  # before a tier that has a place only
GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (gettext_lazy("Profile"), ("name", "app", "score_set")),
    (gettext_lazy("Qualities"), ("tiers", "cutoff", "upgrades", "prefer_propers")),
    (gettext_lazy("Without tiers"), ("resolutions", "sources", "codecs", "hdr_preferred")),
    (
        gettext_lazy("Custom formats"),
        ("minimum_format_score", "cutoff_format_score", "minimum_upgrade_score"),
    ),
    (
        gettext_lazy("Size and seeders"),
        ("min_mb_per_minute", "preferred_mb_per_minute", "max_mb_per_minute", "size_required", "min_seeders"),
    ),
    (
        gettext_lazy("Words and languages"),
        ("required_words", "blocked_words", "preferred_words", "languages", "language_required", "refuse_hardcoded"),
    ),
    (gettext_lazy("Waiting"), ("minimum_age_minutes", "delay_minutes")),
)


class Lines(forms.CharField):
    """A list, one entry a line."""

    def __init__(self, **more: Any) -> None:
        rows = more.pop("rows", 4)
        widget = forms.Textarea(attrs={"rows": rows, "spellcheck": "false"})
        super().__init__(**{"required": False, "max_length": MOST_TEXT, "widget": widget, **more})

    def clean(self, value: Any) -> list[str]:
        text = super().clean(value) or ""
        return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


class Words(forms.CharField):
    """A list between commas."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"required": False, "max_length": MOST_TEXT, **more})

    def clean(self, value: Any) -> list[str]:
        return [word.strip() for word in (super().clean(value) or "").split(",") if word.strip()]


def _points(label: Any, help_text: Any = "", **more: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, help_text=help_text, min_value=-(2**31), max_value=2**31 - 1, **more)


def _count(label: Any, help_text: Any = "", most: int = 525_600) -> forms.IntegerField:
    return forms.IntegerField(label=label, help_text=help_text, min_value=0, max_value=most)


def _rate(label: Any, help_text: Any = "", least: float = 0) -> forms.FloatField:
    return forms.FloatField(label=label, help_text=help_text, min_value=least, max_value=1_000_000)


def _tick(label: Any, help_text: Any = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, help_text=help_text, required=False)


class ProfileForm(forms.Form):
    """`asked()` is what services.create and services.change take."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    app = forms.ChoiceField(
        label=gettext_lazy("Custom formats of"),
        choices=[("radarr", "Radarr"), ("sonarr", "Sonarr")],
        help_text=gettext_lazy("Save first to see the other's formats below."),
    )
    score_set = forms.CharField(
        label=gettext_lazy("Set of scores"),
        max_length=100,
        help_text=gettext_lazy(
            "Which of the points that their authors give count where you give none: default, german…"
        ),
    )
    tiers = Lines(
        label=gettext_lazy("Tiers, the best first"),
        rows=14,
        help_text=gettext_lazy(
            "One a line: a quality, or a name, a colon, and qualities that are as good as each other. A line that begins with "
            "“-” is not wanted and only has its place. None: resolutions and sources decide instead."
        ),
    )
    cutoff = forms.CharField(
        label=gettext_lazy("Good enough"),
        required=False,
        max_length=100,
        help_text=gettext_lazy("The tier from which on nothing better is looked for. Empty: the best."),
    )
    upgrades = _tick(gettext_lazy("Look for something better than what is there"))
    prefer_propers = _tick(gettext_lazy("A corrected release is better in itself"))
    resolutions = Words(label=gettext_lazy("Resolutions, the best first"))
    sources = Words(label=gettext_lazy("Sources, the best first"))
    codecs = Words(label=gettext_lazy("Codecs, the best first"))
    hdr_preferred = _tick(gettext_lazy("More colours (HDR) are better"))
    minimum_format_score = _points(gettext_lazy("Points at least"))
    cutoff_format_score = _points(gettext_lazy("Points that are good enough"))
    minimum_upgrade_score = _count(gettext_lazy("More points, for an upgrade"), most=2**31 - 1)
    min_mb_per_minute = _rate(gettext_lazy("MB a minute, at least"))
    preferred_mb_per_minute = _rate(gettext_lazy("MB a minute, preferred"), least=0.001)
    max_mb_per_minute = _rate(gettext_lazy("MB a minute, at most"), least=0.001)
    size_required = _tick(gettext_lazy("Refuse what has no known size"))
    min_seeders = _count(gettext_lazy("Seeders, at least"), most=1_000_000)
    required_words = Lines(label=gettext_lazy("One of these words must be in the name"))
    blocked_words = Lines(label=gettext_lazy("None of these words may be in the name"))
    preferred_words = Lines(
        label=gettext_lazy("Words with points"), help_text=gettext_lazy("A word, a colon and points: remastered: 50")
    )
    languages = Words(
        label=gettext_lazy("Languages, the best first"),
        help_text=gettext_lazy("Two letters each: en, fr; “original” is the work's own."),
    )
    language_required = _tick(gettext_lazy("Refuse other languages"))
    refuse_hardcoded = _tick(gettext_lazy("Refuse subtitles that are burnt into the picture"))
    minimum_age_minutes = _count(gettext_lazy("Minutes that a release must be old"))
    delay_minutes = _count(
        gettext_lazy("Minutes to wait for a better one"),
        gettext_lazy("What is good enough is not waited for. Both are for what Sokoul takes by itself."),
    )
    version = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=1)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, row: QualityProfile | None = None, app: str = ""
    ) -> None:
        self.row = row
        initial = None if data is not None else _initial(row, app)
        super().__init__(data, initial=initial, label_suffix="")
        self.formats = self._formats(row.app if row else app or "radarr")

    def groups(self) -> list[dict[str, Any]]:
        return [{"title": title, "fields": [self[name] for name in names]} for title, names in GROUPS]

    # Custom formats: a tick and points for each that there is

    def _formats(self, app: str) -> list[dict[str, Any]]:
        places = {place.format_id: place for place in self.row.places.all()} if self.row else {}
        score_set = self.row.score_set if self.row else DEFAULT_SET
        rows = CustomFormat.objects.filter(app=app) | CustomFormat.objects.filter(pk__in=list(places))
        listed = [self._one(row, places.get(row.pk), score_set) for row in rows.distinct().order_by("name", "pk")]
        return sorted(listed, key=lambda one: not one["ticked"])  # of hundreds, those that count stand first

    def _one(self, row: CustomFormat, place: ProfileFormat | None, score_set: str) -> dict[str, Any]:
        ticked, score = place is not None, "" if place is None or place.score is None else str(place.score)
        if self.is_bound:
            data = cast(Any, self.data)
            chosen = data.getlist("format") if hasattr(data, "getlist") else data.get("format", [])
            ticked, score = str(row.pk) in chosen, str(data.get(f"score_{row.pk}", "")).strip()
        published = row.scores.get(score_set, row.scores.get(DEFAULT_SET, 0))
        return {"id": row.pk, "name": row.name, "published": published, "ticked": ticked, "score": score}

    def _places(self) -> list[dict[str, Any]]:
        return [{"id": one["id"], "score": _score(one["name"], one["score"])} for one in self.formats if one["ticked"]]

    # What is typed

    def clean_tiers(self) -> list[dict[str, Any]]:
        return [_tier(number, line) for number, line in enumerate(self.cleaned_data["tiers"], 1)]

    def clean_preferred_words(self) -> dict[str, int]:
        words: dict[str, int] = {}
        for line in self.cleaned_data["preferred_words"]:
            word, _colon, points = line.rpartition(":")
            words[word.strip()] = _score(line, points.strip(), needed=True)
            if not word.strip():
                raise forms.ValidationError(_("“%(line)s”: write a word, a colon and points.") % {"line": line})
        return words

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        tiers, cutoff = asked.get("tiers"), asked.get("cutoff", "")
        if tiers is not None:
            self._whole(tiers, cutoff)
        try:
            asked["formats"] = self._places()
        except forms.ValidationError as error:
            self.add_error(None, error)
        return asked

    def _whole(self, tiers: list[dict[str, Any]], cutoff: str) -> None:
        names = [name for tier in tiers for name in tier["qualities"]]
        if twice := next((name for name in names if names.count(name) > 1), None):
            self.add_error("tiers", _("%(name)s stands in two tiers.") % {"name": twice})
        if tiers and not any(tier["allowed"] for tier in tiers):
            self.add_error("tiers", _("One tier at least has to be wanted: without “-”."))
        if cutoff and cutoff not in [tier["name"] for tier in tiers if tier["allowed"]]:
            self.add_error("cutoff", _("No wanted tier is called “%(name)s”.") % {"name": cutoff})

    def asked(self) -> dict[str, Any]:
        found = self.cleaned_data
        settings = {name: found[name] for name in SETTINGS} | {"cutoff": found["cutoff"] or None}
        beside = ("name", "app", "score_set", "formats", "version")
        return {"settings": settings, **{name: found[name] for name in beside}}

    # Doing

    def save(self, by: Any) -> QualityProfile | None:
        """The saved row; None where the service refuses it, which is told at the fields."""
        try:
            return services.change(self.row.pk, self.asked(), by) if self.row else services.create(self.asked(), by)
        except PermanentError as error:
            self.refuse(error)
            return None

    def rules(self) -> Profile | None:
        """The profile as it is typed; None where it cannot be."""
        try:
            return services.rules_of(self.asked())
        except PermanentError as error:
            self.refuse(error)
            return None

    def refuse(self, error: PermanentError) -> None:
        for place in error.fields or {"": [error.message]}:
            name = place.removeprefix("settings.").partition(".")[0]
            self.add_error(name if name in self.fields else None, error.message)


def _tier(number: int, line: str) -> dict[str, Any]:
    """“- WEB 1080p: WEBDL-1080p, WEBRip-1080p” as a tier."""
    allowed = not line.startswith(REFUSED)
    name, colon, listed = line.removeprefix(REFUSED).strip().rpartition(":")
    qualities = [part.strip() for part in listed.split(",") if part.strip()]
    for quality in qualities:
        if not known(quality):
            close = difflib.get_close_matches(quality, list(RADARR), 1)
            hint = " " + _("Did you mean %(name)s?") % {"name": close[0]} if close else ""
            raise forms.ValidationError(
                _("Line %(number)d: no quality is called “%(name)s”.") % {"number": number, "name": quality} + hint
            )
    if not qualities or (colon and not name.strip()):
        raise forms.ValidationError(_("Line %(number)d names no quality.") % {"number": number})
    return {"name": (name.strip() or listed.strip())[:100], "qualities": qualities, "allowed": allowed}


def _score(what: str, text: str, *, needed: bool = False) -> Any:
    if not text and not needed:
        return None
    if not re.fullmatch(r"[-+]?[0-9]{1,7}", text) or abs(int(text)) > MOST_POINTS:
        raise forms.ValidationError(_("“%(what)s”: points are a whole number.") % {"what": what})
    return int(text)


def _initial(row: QualityProfile | None, app: str) -> dict[str, Any]:
    settings = {**services.settings_of(Profile()), **(row.settings if row else {})}
    shown = {name: value for name, value in settings.items() if not isinstance(value, list | dict)}
    shown |= {name: ", ".join(settings[name]) for name in ("resolutions", "sources", "codecs", "languages")}
    shown |= {name: "\n".join(settings[name]) for name in ("required_words", "blocked_words")}
    shown["preferred_words"] = "\n".join(f"{word}: {points}" for word, points in settings["preferred_words"].items())
    shown["tiers"] = "\n".join(_lines(settings["tiers"]))
    if row is None:
        return {**shown, "name": "", "app": app or "radarr", "score_set": DEFAULT_SET}
    return {**shown, "name": row.name, "app": row.app, "score_set": row.score_set, "version": row.version}


def _lines(tiers: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for tier in tiers:
        alone = [tier["name"]] == list(tier["qualities"])
        text = tier["name"] if alone else f"{tier['name']}: {', '.join(tier['qualities'])}"
        yield text if tier["allowed"] else f"{REFUSED} {text}"
