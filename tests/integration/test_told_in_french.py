"""Who reads French is told why something did not work in French, whoever caused it, wherever it was written down."""

from collections.abc import Callable

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.translation import override

from apps.accounts.models import User
from apps.downloads import refusals, replacement, search, services
from apps.downloads.claims import Claim
from apps.downloads.indexers import gather
from apps.downloads.indexers.wish import Wish
from apps.downloads.models import STATUS_OF, Download, Indexer, Phase, Torrent
from apps.downloads.patience import Patience
from apps.feed.models import Event
from apps.jobs import claims
from apps.jobs import services as jobs
from apps.jobs.models import Job
from apps.media.models import Media
from sokoul.env import ENV
from sokoul.errors import PermanentError, TransientError
from sokoul.said import texts_of
from tests.cast import Api
from tests.wishes import make_media

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey", "nats")]
Clients = Callable[[User | None], Api]
FRENCH = {"Accept-Language": "fr"}
NOTHING = "Rien à télécharger\xa0: les indexeurs ne connaissent aucune version."
CLOSED = "http://127.0.0.1:9"  # discard: nobody listens


@pytest.fixture
def media(db: None) -> Media:
    return make_media("Lamp")


def page_of(person: User, **headers: str) -> Client:
    client = Client(headers={"Accept": "text/html", **headers})
    client.force_login(person, "apps.accounts.authentication.EmailOrUsernameBackend")
    return client


def test_why_a_download_failed(api: Clients, alice: User, media: Media) -> None:
    download, _ = services.start(alice.pk, media.pk)
    services.choose(download.pk, None, [])
    for headers, words in (({"Accept-Language": "en"}, "the indexers know no release"), (FRENCH, NOTHING)):
        (row,) = api(alice).get("/downloads", headers=headers).json()["results"]
        assert words in row["reason"]
        assert words in api(alice).get(f"/downloads/{download.pk}", headers=headers).json()["reason"]
        assert words in page_of(alice, **headers).get("/app/downloads").content.decode()
    told = Event.objects.get(type="notification").data
    assert told["texts"]["fr"] == f"«\xa0Lamp\xa0» a échoué\xa0: {NOTHING}"
    updated = Event.objects.filter(type="download.updated").latest("id").data
    assert updated["reason_texts"]["fr"] == NOTHING, "for sockets, which do not know who reads"
    Download.objects.update(reason="Kept by an older version.", reason_texts={})
    assert api(alice).get("/downloads", headers=FRENCH).json()["results"][0]["reason"] == "Kept by an older version."


def test_why_a_release_was_given_up(api: Clients, alice: User, media: Media) -> None:
    torrent = Torrent.objects.create(
        key="k", title="Lamp.2021", magnet="magnet:?x", indexer="i", seen_at=media.created_at
    )
    download = Download.objects.create(
        user=alice, media=media, torrent=torrent, automatic=True, phase=Phase.DOWNLOADING,
        status=STATUS_OF[Phase.DOWNLOADING],
    )  # fmt: skip
    fault = Patience().over(stalled(download), None, unreachable=False)
    assert fault is not None
    assert replacement.give_up(download.pk, fault)
    seconds = f"{ENV.stall_timeout:g}"
    french = f"À l’arrêt\xa0: aucun pair depuis {seconds} secondes."
    shown = api(alice).get(f"/downloads/{download.pk}", headers=FRENCH).json()
    assert shown["reason"].startswith(f"«\xa0Lamp.2021\xa0» a été abandonnée\xa0: {french}")
    assert [entry["reason"] for entry in shown["tried"]] == [french]
    assert api(alice).get("/blocklist", headers=FRENCH).json()["results"][0]["reason"] == french
    assert api(alice).get("/blocklist").json()["results"][0]["reason"] == f"Stalled: no peers for {seconds} seconds."
    with override("fr"):
        assert services.told_of(Download.objects.get()) == f"«\xa0Lamp.2021\xa0»\xa0: {french}"


def stalled(download: Download) -> Claim:
    """As a hunter has it, without progress for a day longer than it waits."""
    idle = ENV.stall_timeout + 86_400
    return Claim(
        download.pk,
        download.user_id,
        download.media_id,
        "",
        Phase.DOWNLOADING,
        "",
        0,
        "",
        idle,
        idle,
        0,
        "",
        has_metadata=True,
    )


@pytest.mark.parametrize(
    ("phase", "deed", "words"),
    [
        ("done", "/pause", "terminé\xa0; il ne peut pas être mis en pause"),
        ("queued", "/resume", "en attente\xa0; il ne peut pas être repris"),
        ("seeding", "/retry", "en partage\xa0; il ne peut pas être relancé"),
        ("done", "/replace", "terminé\xa0; il ne peut pas recevoir une autre version"),
    ],
)
def test_why_a_download_cannot_be_treated_so_now(
    api: Clients, alice: User, media: Media, phase: Phase, deed: str, words: str
) -> None:
    row = Download.objects.create(user=alice, media=media, phase=phase, status=STATUS_OF[Phase(phase)])
    answer = api(alice).post(f"/downloads/{row.pk}{deed}", headers=FRENCH)
    assert (answer.status_code, answer.json()["detail"]) == (409, f"Ce téléchargement est {words} maintenant.")
    assert answer.json()["phase"] == phase


def test_every_deed_and_phase_has_its_words() -> None:
    assert set(refusals.PHASES) == set(Phase)


def test_why_an_indexer_did_not_answer(alice: User, admin: User, media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ENV, "prowlarr_url", "")
    monkeypatch.setattr(ENV, "torznab_feeds", {"Feed": (f"{CLOSED}/api", ""), "Off": (f"{CLOSED}/off", "")})
    Indexer.objects.create(name="Off", kind="torznab", enabled=False)
    with pytest.raises((TransientError, PermanentError)) as caught:
        gather.search_all(Wish("movie", "Lamp"))
    french = "Feed n’a pas pu être joint, ou a interrompu sa réponse."
    with override("fr"):
        error = caught.value.message
        left = {"warnings": [str(error)], "warning_texts": [texts_of(error)]}
        assert french in search.warnings_of(left)[0]
        assert search.warnings_of({"warnings": ["of an older version"]}) == ["of an older version"]
    job = search.request_search(alice.pk, media.pk)
    Job.objects.update(attempts=4)
    claims.fail_exhausted(Job.objects.get(pk=job.pk), error)
    with override("fr"):
        assert french in jobs.job_json(Job.objects.get(pk=job.pk))["error"]
    fragment = page_of(alice, **FRENCH, **{"HX-Request": "true"})
    assert french in fragment.get(f"/app/releases/{media.pk}", {"job": job.pk}).content.decode()
    told = page_of(admin, **FRENCH).post("/dashboard/indexers/test", {"name": "Feed"}).content.decode()
    assert "Feed n’a pas pu être joint" in told


def test_why_a_published_document_is_refused(admin: User) -> None:
    flag = {"name": "x", "implementation": "IndexerFlagSpecification", "fields": {"value": 3}}
    pattern = {"name": "x", "implementation": "ReleaseTitleSpecification", "fields": {"value": "(a"}}
    documents = [
        {},
        {"specifications": []},
        {"name": "x", "specifications": [flag]},
        {"name": "y", "specifications": [pattern]},
    ]
    contents = [b"{", *map(orjson.dumps, documents)]
    files = [SimpleUploadedFile(f"{number}.json", content) for number, content in enumerate(contents)]
    html = (
        page_of(admin, **FRENCH).post("/dashboard/profiles/import/", {"app": "radarr", "files": files}).content.decode()
    )
    for words in (
        "Ce n’est pas du JSON", "Numéro inconnu (marque d’indexeur)\xa0: 3.", "Ce n’est ni un format personnalisé, ni un profil",
        "name: Cela manque.", "L’expression régulière contient ceci, au caractère 1\xa0: un groupe non fermé.",
    ):  # fmt: skip
        assert words in html, words
