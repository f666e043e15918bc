"""Quality profiles as rows: which one holds, what it decides, deciding again, what if."""

from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from apps.accounts.models import AuditEntry, User
from apps.downloads import search, tasks
from apps.downloads import services as downloads
from apps.downloads.models import Blocked, Candidate, CustomFormat, Download, QualityProfile, TitleProfile, Torrent
from apps.downloads.profiles import again, deciding, holding, services
from apps.downloads.profiles.again import AgainPayload
from apps.downloads.profiles.deciding import Part
from apps.downloads.profiles.holding import BUILT_IN
from apps.downloads.releases.profile import Profile
from apps.jobs.models import Job
from apps.jobs.registry import Running
from apps.media.models import Media
from sokoul.api import Page
from sokoul.errors import PermanentError
from tests.wishes import make_media

pytestmark = pytest.mark.django_db
DISC, WEB, FRENCH = (
    "Lamp.2019.1080p.BluRay.x264-A",
    "Lamp.2019.1080p.WEB-DL.x264-B",
    "Lamp.2019.FRENCH.720p.HDTV.x264-C",
)
WEB_FIRST = [
    {"name": "Web", "qualities": ["WEBDL-1080p"]},
    {"name": "Disc", "qualities": ["Bluray-1080p"]},
    {"name": "TV", "qualities": ["HDTV-720p"], "allowed": False},
]


@pytest.fixture
def lamp(db: None) -> Media:
    return make_media("Lamp", year=2019, runtime=100, details_at=timezone.now(), original_language="fr")


@pytest.fixture
def releases(lamp: Media) -> list[Torrent]:
    """Three releases of the film, decided by the profile that is built in."""
    rows = [
        Torrent(
            key=name, title=name, magnet="magnet:?x", indexer="i", seen_at=timezone.now(), size=6 * 10**9, seeders=9,
            flags=["freeleech"] if name == WEB else [],
        )
        for name in (DISC, WEB, FRENCH)
    ]  # fmt: skip
    made = Torrent.objects.bulk_create(rows)
    deciding.write(Part(lamp, None, None), made, BUILT_IN)
    return made


def asked(name: str = "Web first", **settings: Any) -> dict[str, Any]:
    return {"name": name, "settings": {"tiers": WEB_FIRST, **settings}}


def shown(media: Media) -> list[tuple[str, bool, str | None]]:
    found = search.releases_of(media.pk, Page(1, 100))["results"]
    return [(release["title"][-1], release["score"] is not None, release["profile"]) for release in found]


def work() -> int:
    """Run the jobs that decide again, as a scout would; how many there were."""
    done = 0
    while job := Job.objects.filter(kind="redecide", status="Pending").first():
        tasks.decide_again(AgainPayload(**job.payload), Running(job.pk, "redecide", None, "", 1))
        Job.objects.filter(pk=job.pk).update(status="Completed", finished_at=timezone.now())
        done += 1
    return done


# --- which one holds ----------------------------------------------------------------------------------------------------


def test_a_titles_own_profile_comes_before_the_default_and_that_before_the_built_in(lamp: Media, admin: User) -> None:
    assert holding.holding(lamp.pk) == BUILT_IN
    default, own, other = (services.create(asked(name), admin) for name in ("Default", "Own", "Other"))
    services.make_default(default.pk, admin)
    assert holding.holding(lamp.pk).name == "Default"
    services.use_for_title(lamp.pk, own.pk, admin)
    assert holding.holding(lamp.pk).name == "Own"
    assert holding.holding(lamp.pk, other.pk).name == "Other"
    assert holding.holding(lamp.pk, 10**9).name == "Own", "one that was deleted meanwhile"
    services.use_for_title(lamp.pk, None, admin)
    services.make_default(None, admin)
    assert holding.holding(lamp.pk) == BUILT_IN
    assert not TitleProfile.objects.exists()


def test_a_profile_is_read_once_a_version(
    lamp: Media, admin: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row = services.create(asked(), admin)
    services.make_default(row.pk, admin)
    first = holding.holding(lamp.pk)
    with django_assert_num_queries(1):
        assert holding.holding(lamp.pk) is first
    services.change(row.pk, asked(min_seeders=3), admin)
    changed = holding.holding(lamp.pk)
    assert (changed.version, changed.profile.min_seeders) == (2, 3)


def test_a_profile_that_cannot_be_read_decides_nothing(lamp: Media, admin: User) -> None:
    row = services.create(asked(), admin)
    services.make_default(row.pk, admin)
    QualityProfile.objects.update(settings={"tiers": 7}, version=9)
    with pytest.raises(PermanentError, match="Web first"):
        holding.holding(lamp.pk)


# --- deciding -----------------------------------------------------------------------------------------------------------


def test_the_list_is_by_the_profile_of_the_title_without_searching_again(
    lamp: Media, releases: list[Torrent], admin: User
) -> None:
    assert shown(lamp) == [("A", True, None), ("B", True, None), ("C", True, None)]
    row = services.create(asked(), admin)
    services.use_for_title(lamp.pk, row.pk, admin)
    assert work() == 1
    assert shown(lamp) == [("B", True, "Web first"), ("A", True, "Web first"), ("C", False, "Web first")]
    assert Candidate.objects.count() == 3, "what the other profile thought is of no use any more"
    refused = Candidate.objects.get(torrent=releases[2])
    assert refused.rejections == [{"code": "quality_unwanted", "params": {"found": "HDTV-720p"}, "points": 0}]


def test_a_saved_profile_decides_again_and_only_then(lamp: Media, releases: list[Torrent], admin: User) -> None:
    row = services.create(asked(), admin)
    services.make_default(row.pk, admin)
    work()
    assert not services.change(row.pk, asked(), admin).version > 1, "nothing was changed"
    assert work() == 0
    services.change(row.pk, asked(blocked_words=["B"]), admin)
    assert deciding.out_of_date(0, 10) == [lamp.pk]
    assert work() == 1
    assert shown(lamp)[0] == ("A", True, "Web first")
    assert deciding.out_of_date(0, 10) == []
    assert set(Candidate.objects.values_list("profile_version", flat=True)) == {2}


def test_many_titles_are_decided_in_pages_and_each_page_asks_for_the_next_once(
    releases: list[Torrent], lamp: Media, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "TITLES_A_JOB", 1)
    other = make_media("Lamp", tmdb_id=9, year=2019)
    deciding.write(Part(other, None, None), releases, BUILT_IN)
    row = services.create(asked(), admin)
    services.make_default(row.pk, admin)
    first = AgainPayload(**Job.objects.get(kind="redecide").payload)
    assert again.run(first) == {"titles": 1, "releases": 3}
    Candidate.objects.filter(media=lamp).update(profile_version=0)
    again.run(first)  # the process died before it said that it was done
    assert Job.objects.filter(kind="redecide").count() == 2
    work()
    assert set(Candidate.objects.values_list("profile_id", "media_id")) == {(row.pk, lamp.pk), (row.pk, other.pk)}


def test_deleting_a_profile_loses_no_release(lamp: Media, releases: list[Torrent], admin: User) -> None:
    row = services.create(asked(), admin)
    services.use_for_title(lamp.pk, row.pk, admin)
    work()
    services.delete(row.pk, admin)
    assert work() == 1
    assert shown(lamp) == [("A", True, None), ("B", True, None), ("C", True, None)]


def test_what_if_tells_and_writes_nothing(lamp: Media, releases: list[Torrent]) -> None:
    before = list(Candidate.objects.order_by("pk").values())
    rules = Profile(sources=("WEB-DL",), resolutions=("1080p",))
    found = deciding.as_rows(deciding.what_if(lamp.pk, rules))
    assert [(one["title"], one["score"] is not None) for one in found] == [(WEB, True), (DISC, False), (FRENCH, False)]
    assert found[1]["rejections"][0]["sentence"] == "Its source, BluRay, is not wanted by the profile."
    assert all(one["score_before"] is not None for one in found)
    assert list(Candidate.objects.order_by("pk").values()) == before
    assert not Job.objects.exists()


def test_what_if_refuses_what_is_blocked_for_everybody(lamp: Media, releases: list[Torrent], alice: User) -> None:
    disc, web, _ = releases
    for torrent, owner in ((disc, None), (web, alice)):
        Blocked.objects.create(
            user=owner,
            media=lamp,
            torrent=torrent,
            key=torrent.key,
            title=torrent.title,
            code="stalled",
            source="automatic",
        )
    found = {one["title"]: one for one in deciding.as_rows(deciding.what_if(lamp.pk, Profile()))}
    assert [one["code"] for one in found[DISC]["rejections"]] == ["blocklisted"]
    assert (found[DISC]["score"], found[DISC]["score_before"]) == (None, None), "it would not be taken, and is not now"
    assert found[WEB]["score"] is not None, "one person's own list is not everybody's"


def test_a_download_is_chosen_by_the_profile_that_was_asked_for(
    lamp: Media, releases: list[Torrent], admin: User, alice: User
) -> None:
    row = services.create(asked(), admin)
    download, job_id = downloads.start(alice.pk, lamp.pk, profile_id=row.pk)
    assert (download.profile_id, Job.objects.get(pk=job_id).payload["profile_id"]) == (row.pk, row.pk)
    assert search._decide(lamp, releases, None, None, row.pk) == 2
    assert [chosen and chosen.title for chosen in (search.best(lamp.pk, None, None), search.best(lamp.pk, None, None, row.pk))] == [
        DISC, WEB
    ]  # fmt: skip
    assert shown(lamp)[0] == ("A", True, None), "the title's list is by its own profile"
    deciding.decide_again(lamp.pk)
    assert Candidate.objects.filter(profile=row).count() == 3, "kept for as long as the download may need another"
    with pytest.raises(PermanentError, match="quality profile"):
        downloads.start(alice.pk, lamp.pk, profile_id=10**9)
    services.delete(row.pk, admin)
    assert Download.objects.get().profile_id is None


def test_the_best_is_never_taken_by_rules_of_yesterday(lamp: Media, releases: list[Torrent], admin: User) -> None:
    row = services.create(asked(), admin)
    services.use_for_title(lamp.pk, row.pk, admin)  # and no scout has come to it yet
    best = search.best(lamp.pk, None, None)
    assert best is not None
    assert best.title == WEB
    services.change(row.pk, asked(blocked_words=["A", "B"]), admin)
    assert search.best(lamp.pk, None, None) is None
    assert any("“B”" in sentence for sentence in search.rejections_of(lamp.pk, None, None))


def test_formats_know_the_works_language_and_what_the_indexer_says(
    lamp: Media, releases: list[Torrent], admin: User
) -> None:
    languages, flags = (
        CustomFormat.objects.create(name=name, app="radarr", conditions=[condition], scores={"default": 5, "mine": 70})
        for name, condition in (
            ("Own", {"kind": "language", "language": "original"}),
            ("Free", {"kind": "indexer_flag", "flag": "freeleech"}),
        )
    )
    wish = {**asked(), "score_set": "mine", "formats": [{"id": languages.pk}, {"id": flags.pk, "score": -3}]}
    row = services.create(wish, admin)
    services.use_for_title(lamp.pk, row.pk, admin)
    work()
    points = {
        candidate.torrent.title: {r["params"]["name"]: r["points"] for r in candidate.reasons if r["code"] == "format"}
        for candidate in Candidate.objects.select_related("torrent")
    }
    assert points == {DISC: {"Own": 70}, WEB: {"Own": 70, "Free": -3}, FRENCH: {"Own": 70}}


# --- changing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (asked(""), "name"),
        (asked(cutoff="Nowhere"), "settings"),
        (asked(min_seeders=-1), "min_seeders"),
        (asked(unheard_of=1), "unheard_of"),
        ({"name": "y", "settings": {"name": "x"}}, "name"),
        (asked(blocked_words=["\x00"]), "settings"),
        ({"name": "x", "settings": {"tiers": [{"name": "x", "qualities": ["Bluray-9p"]}]}}, "tiers.0.qualities"),
        ({"name": "x", "formats": [{"id": 1}]}, "formats"),
        ({"name": "x", "formats": [{"id": 1, "score": 10**9}]}, "formats.0.score"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(wish: dict[str, Any], field: str, admin: User) -> None:
    with pytest.raises(PermanentError) as refused:
        services.create(wish, admin)
    assert (refused.value.status, list(refused.value.fields)) == (400, [field])
    assert not QualityProfile.objects.exists()


def test_two_profiles_have_two_names_and_nobody_undoes_what_they_did_not_see(admin: User) -> None:
    row = services.create(asked("One"), admin)
    assert services.duplicate(row.pk, admin).name == "One (copy)"
    assert services.duplicate(row.pk, admin).name == "One (copy) 2"
    with pytest.raises(PermanentError) as taken:
        services.create(asked("oNE"), admin)
    assert (taken.value.status, list(taken.value.fields)) == (409, ["name"])
    services.change(row.pk, {**asked("One", min_seeders=2), "version": 1}, admin)
    with pytest.raises(PermanentError, match="meanwhile"):
        services.change(row.pk, {**asked("One", min_seeders=5), "version": 1}, admin)
    assert services.get(row.pk).settings["min_seeders"] == 2


def test_the_trail_says_what_was_changed(admin: User, lamp: Media) -> None:
    row = services.create(asked(), admin)
    services.change(row.pk, asked(min_seeders=4), admin)
    services.make_default(row.pk, admin)
    services.make_default(row.pk, admin)
    services.use_for_title(lamp.pk, row.pk, admin)
    services.delete(row.pk, admin)
    entries = AuditEntry.objects.filter(action__startswith="profile.").order_by("pk")
    assert [entry.action for entry in entries] == [
        "profile.created", "profile.changed", "profile.default_changed", "profile.title_changed", "profile.deleted"
    ]  # fmt: skip
    assert (entries[1].details["before"], entries[1].details["after"]) == ({"min_seeders": 1}, {"min_seeders": 4})


@pytest.mark.parametrize(
    "settings",
    [
        {"minimum_format_score": 10**12},
        {"cutoff_format_score": -(10**10)},
        {"preferred_words": {"x": 10**30}},
        {"min_seeders": 10**30},
        {"max_mb_per_minute": float("inf")},
        {"blocked_words": ["\ud800"]},
    ],
)
def test_numbers_and_texts_that_no_answer_can_say_are_refused(settings: dict[str, Any], admin: User) -> None:
    with pytest.raises(PermanentError) as refused:
        services.create(asked(**settings), admin)
    assert refused.value.status == 400
