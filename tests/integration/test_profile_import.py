"""Taking published custom formats and quality profiles into rows: whole or not at all, twice is once."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import AuditEntry, User
from apps.downloads.models import CustomFormat, ProfileFormat, QualityProfile, Torrent
from apps.downloads.profiles import deciding, holding, imports, services
from apps.downloads.profiles.deciding import Part
from apps.downloads.profiles.imports import Outcome, Source
from apps.jobs.models import Job
from tests.wishes import make_media

pytestmark = pytest.mark.django_db


def a_format(name: str = "Candles", pattern: str = r"\bcandle\b", **more: Any) -> dict[str, Any]:
    condition = {"name": "x", "implementation": "ReleaseTitleSpecification", "fields": {"value": pattern}}
    scores = {"default": 5, "night": 50}
    return {"trash_id": f"id-{name}", "trash_scores": scores, "name": name, "specifications": [condition], **more}


def a_profile(name: str = "Bright", wants: tuple[str, ...] = ("Candles",), **more: Any) -> dict[str, Any]:
    items = [{"name": "WEB", "allowed": True, "items": ["WEBDL-1080p", "WEBRip-1080p"]}, {"name": "HDTV-1080p"}]
    formats = {name: f"id-{name}" for name in wants}
    published = {"trash_id": f"id-{name}", "name": name, "trash_score_set": "night", "cutoff": "WEB", "items": items}
    return {**published, "formatItems": formats, **more}


def take(*documents: Any, name: str = "radarr.json", by: User | None = None) -> list[Outcome]:
    return imports.take([Source(name, document) for document in documents], by)


def results(outcomes: list[Outcome]) -> list[str]:
    return [outcome.result for outcome in outcomes]


def versions() -> list[int]:
    return list(QualityProfile.objects.order_by("pk").values_list("version", flat=True))


def test_a_profile_finds_its_formats_in_whichever_order_the_files_come(admin: User) -> None:
    outcomes = take(a_profile(wants=("Candles", "Moon")), a_format(), by=admin)
    assert [(one.kind, one.name, one.result, one.missing) for one in outcomes] == [
        ("profile", "Bright", "imported", ("Moon",)), ("format", "Candles", "imported", ())
    ]  # fmt: skip
    row = QualityProfile.objects.get()
    assert (row.missing, [place["points"] for place in services.places_of(row)]) == ({"id-Moon": "Moon"}, [50])
    assert results(take(a_format("Moon", trash_scores={"default": -7}))) == ["imported"]
    row.refresh_from_db()
    assert (row.missing, [place["points"] for place in services.places_of(row)], row.version) == ({}, [50, -7], 2)
    assert [scored.score for scored in holding.by_id(row.pk).profile.formats] == [50, -7]
    entry = AuditEntry.objects.filter(action="profile.imported").order_by("pk")[0]
    assert (entry.actor, entry.details["names"]) == ("admin", ["Candles"])


def test_importing_twice_changes_nothing() -> None:
    documents = [a_format(), a_profile()]
    take(*documents)
    before = (list(CustomFormat.objects.values()), list(QualityProfile.objects.values()), AuditEntry.objects.count())
    assert results(take(*documents)) == ["unchanged", "unchanged"]
    now = (list(CustomFormat.objects.values()), list(QualityProfile.objects.values()), AuditEntry.objects.count())
    assert now == before
    assert not Job.objects.exists()


def test_a_new_edition_is_taken_and_what_it_decided_is_decided_again() -> None:
    take(a_format(), a_profile())
    assert results(take(a_format(trash_description="told otherwise"))) == ["updated"]
    assert (versions(), Job.objects.count()) == ([1], 0), "no decision hangs on that"
    assert results(take(a_format(pattern="torch"))) == ["updated"]
    assert (versions(), Job.objects.filter(kind="redecide").count()) == ([2], 1)
    assert results(take(a_profile(minFormatScore=9))) == ["updated"]
    row = QualityProfile.objects.get()
    assert (row.version, row.settings["minimum_format_score"]) == (3, 9)


def test_points_that_an_admin_gave_stay_and_a_new_name_too(admin: User) -> None:
    take(a_format(), a_profile())
    row = QualityProfile.objects.get()
    place = ProfileFormat.objects.get()
    wish = {
        "name": "Ours",
        "score_set": "night",
        "settings": row.settings,
        "formats": [{"id": place.format_id, "score": 1}],
    }
    services.change(row.pk, wish, admin)
    assert results(take(a_format("Moon"), a_profile(wants=("Candles", "Moon")))) == ["imported", "updated"]
    row.refresh_from_db()
    assert [place["points"] for place in services.places_of(row)] == [1, 50]
    assert row.name == "Ours"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "no_json"),
        (b"[]", "malformed"),
        (b"7", "unknown_document"),
        (b"\xff\xfe", "no_json"),
        (b"[" * 100_000, "no_json"),
        (b" " * (imports.MAX_BYTES + 1), "too_large"),
        ({"name": "x"}, "unknown_document"),
        (a_format(pattern="(?<-x>a)"), "balancing_group"),
        (a_format(pattern="a\x00"), "malformed"),
        (a_format(trash_id="x" * 101), "malformed"),
        (a_format(trash_scores={"default": 10**12}), "malformed"),
        (a_profile(cutoff="Nowhere"), "malformed"),
        (a_profile(name="x" * 101), "malformed"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_with_the_reason(content: Any, code: str) -> None:
    [outcome] = take(content)
    assert (outcome.result, outcome.code) == ("refused", code)
    assert outcome.reason
    assert not CustomFormat.objects.exists()


def test_a_file_is_taken_whole_or_not_at_all_and_the_others_all_the_same() -> None:
    outcomes = take([a_format(), a_format("Bad", pattern="(")], a_format("Moon"), a_profile())
    assert [(one.result, one.name) for one in outcomes] == [
        ("refused", "radarr.json"), ("imported", "Moon"), ("imported", "Bright")
    ]  # fmt: skip
    assert list(CustomFormat.objects.values_list("name", flat=True)) == ["Moon"]
    assert QualityProfile.objects.get().missing == {"id-Candles": "Candles"}, "of what was taken back nothing is left"


def test_two_applications_may_call_theirs_the_same() -> None:
    sources = [Source(f"{app}/x.json", [a_format(), a_profile()]) for app in imports.APPS]
    assert results(imports.take(sources, None)) == ["imported"] * 4
    assert list(QualityProfile.objects.order_by("pk").values_list("name", "app")) == [
        ("Bright", "radarr"), ("Bright (Sonarr)", "sonarr")
    ]  # fmt: skip
    assert CustomFormat.objects.count() == 2
    [outcome] = take(a_format(trash_id="another"))
    assert outcome.code == "name_taken"
    [outcome] = take(a_format(), name="x.json")
    assert outcome.code == "unknown_app"


@pytest.mark.parametrize(
    ("name", "app"),
    [
        ("guides/docs/json/radarr/cf/hdr.json", "radarr"), ("sonarr__quality-profiles__web.json", "sonarr"),
        ("radarr/sonarr.json", "sonarr"), ("x.json", None), ("", None),
    ],
)  # fmt: skip
def test_the_files_place_says_whose_it_is(name: str, app: str | None) -> None:
    assert imports.app_of(name) == app


def test_the_command_takes_folders_and_says_what_became_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cf").mkdir()
    (tmp_path / "cf" / "candles.json").write_text(json.dumps(a_format()))
    (tmp_path / "bright.json").write_text(json.dumps(a_profile()))
    call_command("import_formats", str(tmp_path), "--app", "radarr", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["imported"], [one["name"] for one in told["results"]]) == (2, ["Bright", "Candles"])
    assert AuditEntry.objects.latest("pk").details["command"] == "import_formats"
    (tmp_path / "bright.json").write_text("{")
    with pytest.raises(CommandError, match="1 of 2 files were refused"):
        call_command("import_formats", str(tmp_path), "--app", "radarr")
    assert "no_json" not in (shown := capsys.readouterr().out)
    assert "It is no JSON" in shown


def test_releases_are_judged_by_a_profile_from_rows_that_is_as_large_as_the_fullest_published_ones() -> None:
    words = [f"{first}{second}" for first in "abcdefgh" for second in "klmnopqr"]
    formats = [a_format(word, pattern=rf"(?<=^|[\s.-]){word}[ ._-]?(\d+p|rip)?\b") for word in words]
    take(formats, a_profile(wants=tuple(words)))
    rules = holding.by_id(QualityProfile.objects.get().pk).profile
    assert len(rules.formats) == 64
    lamp = deciding.wanted(Part(make_media("Lamp", year=2019, runtime=100), None, None))
    sizes = {"size": 6 * 10**9, "seeders": 9}
    releases = [Torrent(title=f"Lamp.2019.1080p.WEB-DL.{n}.x264-{words[n % 64]}", **sizes) for n in range(64)]
    decisions = [deciding.decide(lamp, release, rules) for release in releases]
    assert all(any(reason.code == "format" for reason in decision.reasons) for decision in decisions)


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "more",
    [
        {"extra": 10**30},
        {"extra": nested(400)},
        {"extra": "\ud800"},
        {"name": " "},
        {"specifications": [{"implementation": "SizeSpecification", "fields": {"min": 0, "max": float("inf")}}]},
    ],
)
def test_what_no_row_can_hold_is_refused_and_not_a_crash(more: dict[str, Any]) -> None:
    [outcome] = take(a_format(**more))
    assert (outcome.result, outcome.code) == ("refused", "malformed")
    assert not CustomFormat.objects.exists()


def test_a_file_nested_too_deeply_is_refused() -> None:
    content = json.dumps(a_format(extra=nested(400))).encode()
    assert [one.code for one in imports.take([Source("radarr.json", content)], None)] == ["malformed"]


def test_a_set_of_scores_with_an_endless_name_is_refused() -> None:
    assert [one.code for one in take(a_profile(wants=(), trash_score_set="s" * 101))] == ["malformed"]


def test_names_that_only_the_database_takes_for_the_same_are_refused() -> None:
    take(a_format("kelvin"))
    [outcome] = take(a_format("\u212aelvin"))  # the sign of kelvin, whose small letter is k
    assert (outcome.result, outcome.code) == ("refused", "name_taken")
