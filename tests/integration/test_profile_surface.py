"""Quality profiles over REST and in the dashboard, and reasons as people read them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.downloads.models import Candidate, CustomFormat, Download, QualityProfile, TitleProfile, Torrent
from apps.downloads.profiles import deciding, services
from apps.downloads.profiles.deciding import Part
from apps.downloads.profiles.forms import ProfileForm
from apps.downloads.profiles.holding import BUILT_IN
from apps.media.models import Media
from tests.cast import Api
from tests.wishes import make_media

Clients = Callable[[User | None], Api]
CONDITION = {"kind": "release_title", "pattern": "x264"}
TIERS = "Web: WEBDL-1080p, WEBRip-1080p\n- HDTV-1080p\n"


@pytest.fixture
def lamp(db: None) -> Media:
    media = make_media("Lamp", year=2019, runtime=100, details_at=timezone.now())
    names = ("Lamp.2019.1080p.WEB-DL.x264-A", "Lamp.2019.1080p.BluRay.x264-B")
    facts = {"magnet": "magnet:?x", "indexer": "i", "seen_at": timezone.now(), "size": 6 * 10**9, "seeders": 9}
    torrents = Torrent.objects.bulk_create(Torrent(key=name, title=name, **facts) for name in names)
    deciding.write(Part(media, None, None), torrents, BUILT_IN)
    return media


@pytest.fixture
def dashboard(admin: User) -> Client:
    client = Client(headers={"Accept": "text/html"})
    client.force_login(admin)
    return client


def a_format(name: str = "Codec") -> CustomFormat:
    return CustomFormat.objects.create(name=name, app="radarr", conditions=[CONDITION], scores={"default": 7})


def typed(client: Client, path: str, **fields: Any) -> dict[str, Any]:
    """The form as the page has it, with other entries."""
    form = client.get(path).context["form"]
    values = {name: form[name].value() for name in form.fields}
    ticked = [one["id"] for one in form.formats if one["ticked"]]
    scores = {f"score_{one['id']}": one["score"] for one in form.formats}
    whole = {**values, "format": ticked, **scores, **fields}
    return {name: value for name, value in whole.items() if value is not None and value is not False}


def told(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


# --- REST ---------------------------------------------------------------------------------------------------------------


def test_a_profile_is_made_changed_copied_and_deleted_over_rest(api: Clients, admin: User, alice: User) -> None:
    client, one = api(admin), a_format()
    wish = {"name": "Web", "settings": {"min_seeders": 2}, "formats": [{"id": one.pk, "score": 3}]}
    made = client.post("/admin/profiles", wish)
    assert made.status_code == 201
    profile = made.json()
    assert (profile["settings"]["min_seeders"], profile["settings"]["upgrades"], profile["version"]) == (2, True, 1)
    assert profile["formats"] == [{"id": one.pk, "name": "Codec", "score": 3, "points": 3}]
    path = f"/admin/profiles/{profile['id']}"
    changed = client.put(path, {**wish, "formats": [{"id": one.pk}], "version": 1}).json()
    assert (changed["version"], changed["formats"][0]["points"]) == (2, 7)
    assert client.put(path, {**wish, "version": 1}).status_code == 409
    refused = client.put(path, {"name": "Web", "settings": {"min_seeders": "many"}})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["min_seeders"])
    copied = client.post(f"{path}/copy").json()
    assert (copied["name"], copied["formats"]) == ("Web (copy)", changed["formats"])
    assert client.put("/admin/profiles/default", {"profile_id": copied["id"]}).status_code == 200
    assert [row["name"] for row in api(alice).get("/profiles").json()["results"]] == ["Web (copy)", "Web"]
    listed = client.get("/admin/profiles").json()
    assert [(row["name"], row["is_default"], row["formats_count"]) for row in listed["results"]] == [
        ("Web", False, 1), ("Web (copy)", True, 1)
    ]  # fmt: skip
    assert client.get("/admin/formats", app="radarr").json()["results"][0]["profiles_count"] == 2
    assert client.get("/admin/formats", app="plex").status_code == 400
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_a_title_gets_its_profile_and_what_if_is_told_over_rest(api: Clients, admin: User, lamp: Media) -> None:
    client = api(admin)
    profile = services.create({"name": "Web", "settings": {"sources": ["WEB-DL"]}}, admin)
    asked = {"media_id": lamp.pk, "profile": {"name": "x", "settings": {"sources": ["BluRay"]}}}
    found = client.post("/admin/profiles/what-if", asked).json()["results"]
    assert [(one["title"][-1], one["score"] is None) for one in found] == [("B", False), ("A", True)]
    by_id = client.post("/admin/profiles/what-if", {"media_id": lamp.pk, "profile_id": profile.pk}).json()["results"]
    assert [one["title"][-1] for one in by_id] == ["A", "B"]
    for bad, status in (
        ({**asked, "profile_id": 1}, 400),
        ({"media_id": lamp.pk}, 400),
        ({**asked, "media_id": 10**9}, 404),
    ):
        assert client.post("/admin/profiles/what-if", bad).status_code == status
    assert client.put(f"/admin/media/{lamp.pk}/profile", {"profile_id": profile.pk}).status_code == 204
    assert TitleProfile.objects.get().profile_id == profile.pk
    assert client.put(f"/admin/media/{lamp.pk}/profile", {"profile_id": 10**9}).status_code == 404
    assert client.put(f"/admin/media/{10**9}/profile", {"profile_id": None}).status_code == 404


def test_published_documents_are_taken_over_rest(api: Clients, admin: User) -> None:
    specification = {"name": "x", "implementation": "ReleaseTitleSpecification", "fields": {"value": "x264"}}
    good = {"name": "Codec", "trash_id": "1", "specifications": [specification]}
    files = [{"name": "a.json", "content": good}, {"name": "b.json", "content": {"name": "x"}}]
    answer = api(admin).post("/admin/profiles/import", {"app": "sonarr", "files": files})
    assert [(one["result"], one["code"]) for one in answer.json()["results"]] == [
        ("imported", ""), ("refused", "unknown_document")
    ]  # fmt: skip
    assert CustomFormat.objects.get().app == "sonarr"


def test_who_starts_a_download_may_choose_its_profile(api: Clients, admin: User, alice: User, lamp: Media) -> None:
    profile = services.create({"name": "Web"}, admin)
    body = {"media_id": lamp.pk, "profile_id": profile.pk}
    assert api(alice).post("/downloads/start", {**body, "profile_id": 10**9}).status_code == 404
    assert api(alice).post("/downloads/start", body).status_code == 202
    assert Download.objects.get().profile_id == profile.pk


def test_reasons_are_told_in_the_language_of_who_reads(api: Clients, alice: User, admin: User, lamp: Media) -> None:
    profile = services.create({"name": "Web", "settings": {"sources": ["WEB-DL"]}}, admin)
    services.use_for_title(lamp.pk, profile.pk, admin)
    deciding.decide_again(lamp.pk)
    path = f"/media/{lamp.pk}/torrents"
    release = api(alice).get(path, headers={"Accept-Language": "fr"}).json()["results"][1]
    assert (release["profile"], release["rejections"]) == (
        "Web",
        [{"code": "source_unwanted", "params": {"found": "BluRay"}, "points": 0,
          "sentence": "Le profil ne veut pas de sa source, BluRay."}],
    )  # fmt: skip
    old = [{"code": "cam", "sentence": "It was filmed in a cinema (CAM)."}]
    Candidate.objects.filter(score=None).update(rejections=old)
    assert api(alice).get(path).json()["results"][1]["rejections"][0]["sentence"] == old[0]["sentence"]
    page = Client(headers={"Accept": "text/html"})
    User.objects.filter(pk=alice.pk).update(language="fr")
    page.force_login(User.objects.get(pk=alice.pk))
    html = page.get(f"/app/titles/{lamp.pk}/{lamp.slug}").content.decode()
    assert "Source WEB-DL." in html
    assert "Selon le profil de qualité «\xa0Web\xa0»." in html
    assert f'<option value="{profile.pk}">Web</option>' in html


# --- the dashboard ------------------------------------------------------------------------------------------------------


def test_a_profile_is_made_and_edited_by_a_form(dashboard: Client, admin: User) -> None:
    one, other = a_format(), a_format("Other")
    path = "/dashboard/profiles/new/"
    answer = dashboard.post(
        path,
        typed(
            dashboard, path, name="Web", tiers=TIERS, cutoff="Web", preferred_words="imax: 20", languages="en, original",
            blocked_words="cam rip\n\nline", **{"format": [one.pk, other.pk], f"score_{other.pk}": "-40"},
        ),
    )  # fmt: skip
    row = QualityProfile.objects.get()
    assert answer.headers["Location"] == f"/dashboard/profiles/{row.pk}/"
    settings = row.settings
    assert settings["tiers"] == [
        {"name": "Web", "qualities": ["WEBDL-1080p", "WEBRip-1080p"], "allowed": True},
        {"name": "HDTV-1080p", "qualities": ["HDTV-1080p"], "allowed": False},
    ]
    assert (settings["cutoff"], settings["preferred_words"]) == ("Web", {"imax": 20})
    assert (settings["languages"], settings["blocked_words"]) == (["en", "original"], ["cam rip", "line"])
    assert [(place["name"], place["points"]) for place in services.places_of(row)] == [("Codec", 7), ("Other", -40)]
    dashboard.post(f"/dashboard/profiles/{row.pk}/", typed(dashboard, f"/dashboard/profiles/{row.pk}/"))
    row.refresh_from_db()
    assert (row.version, row.settings) == (1, settings), "saved as it is shown, it stays as it is"
    edited = typed(dashboard, f"/dashboard/profiles/{row.pk}/", min_seeders=5, format=[one.pk])
    dashboard.post(f"/dashboard/profiles/{row.pk}/", edited)
    row.refresh_from_db()
    assert (row.version, row.settings["min_seeders"], row.places.count()) == (2, 5, 1)
    dashboard.post(f"/dashboard/profiles/{row.pk}/", {**edited, "format": [other.pk], "version": 2})
    row.refresh_from_db()
    assert [one["name"] for one in ProfileForm(row=row).formats] == ["Other", "Codec"], "those that count stand first"
    again = dashboard.post(f"/dashboard/profiles/{row.pk}/", {**edited, "min_seeders": 6})
    assert "Somebody has changed this profile meanwhile." in again.content.decode()


@pytest.mark.parametrize(
    ("fields", "field", "text"),
    [
        ({"tiers": "Bluray-1080"}, "tiers", "Line 1: no quality is called “Bluray-1080”. Did you mean Bluray-1080p?"),
        ({"tiers": "A:\n"}, "tiers", "Line 1 names no quality."),
        ({"tiers": "DVD\nX: DVD, SDTV"}, "tiers", "DVD stands in two tiers."),
        ({"tiers": "- DVD"}, "tiers", "One tier at least has to be wanted: without “-”."),
        ({"tiers": "DVD", "cutoff": "SDTV"}, "cutoff", "No wanted tier is called “SDTV”."),
        ({"preferred_words": "imax"}, "preferred_words", "“imax”: points are a whole number."),
        ({"name": ""}, "name", "This field is required."),
        ({"name": "Taken"}, "name", "A quality profile is called “Taken” already."),
        ({"min_seeders": "-1"}, "min_seeders", "Ensure this value is greater than or equal to 0."),
        ({"format": ["1"], "score_1": "many"}, None, "“Codec”: points are a whole number."),
        ({"preferred_words": "imax: -+5"}, "preferred_words", "“imax: -+5”: points are a whole number."),
    ],
)
def test_a_fault_is_told_at_its_field_and_nothing_is_saved(
    dashboard: Client, admin: User, fields: dict[str, Any], field: str | None, text: str
) -> None:
    services.create({"name": "Taken"}, admin)
    one = a_format()
    wrong = {key.replace("_1", f"_{one.pk}"): [one.pk] if key == "format" else value for key, value in fields.items()}
    path = "/dashboard/profiles/new/"
    answer = dashboard.post(path, typed(dashboard, path, **{"name": "New", **wrong}))
    assert answer.context["form"].errors == {field or "__all__": [text]}
    assert answer.status_code == 200
    assert QualityProfile.objects.count() == 1


def test_what_if_shows_what_the_form_as_typed_would_choose(dashboard: Client, lamp: Media) -> None:
    path = "/dashboard/profiles/new/"
    asked = typed(dashboard, path, name="x", tiers="WEBDL-1080p", title="lamp", what_if="1")
    html = dashboard.post(path, asked).content.decode()
    assert "What it would choose for “Lamp (2019)”" in html
    assert "Its quality, Bluray-1080p, is not wanted by the profile." in html
    assert html.index("WEB-DL.x264-A") < html.index("BluRay.x264-B")
    assert not QualityProfile.objects.exists()
    nobody = dashboard.post(path, {**asked, "title": "no such thing"}).content.decode()
    assert "No title that releases were found for is called that." in nobody


def test_default_title_copy_and_delete_by_their_buttons(dashboard: Client, admin: User, lamp: Media) -> None:
    row = services.create({"name": "Web"}, admin)
    dashboard.post("/dashboard/profiles/default", {"profile_id": row.pk})
    assert QualityProfile.objects.get().is_default
    dashboard.post("/dashboard/profiles/title", {"title": "lamp", "profile_id": row.pk})
    assert TitleProfile.objects.get().media_id == lamp.pk
    dashboard.post("/dashboard/profiles/title", {"title": str(lamp.pk), "profile_id": ""})
    assert not TitleProfile.objects.exists()
    dashboard.post(f"/dashboard/profiles/{row.pk}/copy")
    dashboard.post(f"/dashboard/profiles/{row.pk}/delete")
    assert list(QualityProfile.objects.values_list("name", "is_default")) == [("Web (copy)", False)]
    assert "was not found" in told(dashboard.post(f"/dashboard/profiles/{row.pk}/delete"))[-1]


def test_files_are_uploaded_and_the_page_says_what_became_of_them(dashboard: Client) -> None:
    specification = {"name": "x", "implementation": "ReleaseTitleSpecification", "fields": {"value": "x264"}}
    good = json.dumps({"name": "<b>Codec", "specifications": [specification]}).encode()
    files = [SimpleUploadedFile("a.json", good), SimpleUploadedFile("b.json", b"{")]
    html = dashboard.post("/dashboard/profiles/import/", {"app": "radarr", "files": files}).content.decode()
    assert "&lt;b&gt;Codec" in html
    assert "It is no JSON" in html
    assert CustomFormat.objects.count() == 1


def test_lists_ask_as_often_for_many_as_for_one(dashboard: Client, api: Clients, admin: User) -> None:
    client = api(admin)
    paths = ("/dashboard/profiles/", "/admin/profiles?limit=100", "/admin/formats?limit=100", "/profiles")

    def asked(path: str) -> int:
        with CaptureQueriesContext(connection) as seen:
            answer = dashboard.get(path) if path.startswith("/dashboard") else client.get(path)
        assert (answer.status_code, f"P{QualityProfile.objects.count() - 1}" in answer.content.decode()) == (200, True)
        return len(seen)

    counts = []
    for numbers in (range(1), range(1, 50)):
        names = [f"P{number}" for number in numbers]
        rows = QualityProfile.objects.bulk_create(QualityProfile(name=name, settings={}) for name in names)
        for name, row in zip(names, rows, strict=True):
            row.places.create(format=a_format(name))
        counts.append([asked(path) for path in paths])
    assert counts[0] == counts[1]
