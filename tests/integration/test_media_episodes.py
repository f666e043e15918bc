"""Episodes and release dates from the demo TMDB: rows as it tells them, read again when they are old, whatever is odd in them."""

import uuid
from datetime import date, timedelta

import pytest
from django.utils import timezone

from apps.jobs import registry
from apps.media import episodes, tmdb
from apps.media.models import Episode, Media, Schedule
from sokoul.errors import TransientError
from tests.demo import Demo
from tests.integration.test_following import found, today
from tests.providers import providers
from tests.wishes import make_media

__all__ = ["providers"]
pytestmark = pytest.mark.django_db


def old(media: Media, hours: float) -> None:
    Schedule.objects.filter(media=media).update(read_at=timezone.now() - timedelta(hours=hours))


def test_a_series_and_its_episodes(providers: Demo) -> None:
    cats = found("harbour cats")
    schedule = episodes.refresh(cats.pk)
    assert not schedule.over
    rows = Episode.objects.filter(media=cats).order_by("season", "number")
    told = [(row.season, row.number, row.absolute, row.title, row.air_date) for row in rows]
    assert len(told) == 7
    assert told[0] == (1, 1, 1, "The Crate", date(2022, 4, 3))
    assert told[4] == (2, 1, 5, "The Dog", date(2023, 4, 2))
    assert episodes.refresh(found("tiny planet club").pk).over


def test_they_are_read_again_sooner_while_it_runs(providers: Demo) -> None:
    cats, club = found("harbour cats"), found("tiny planet club")
    for media in (cats, club):
        episodes.refresh(media.pk)
    asked = len(providers.requests("tmdb"))
    providers.add_episode("cats", 2, 4, today())
    for media in (cats, club):
        old(media, 5)
        episodes.refresh(media.pk)
    assert len(providers.requests("tmdb")) == asked
    for media in (cats, club):
        old(media, 7)
        episodes.refresh(media.pk)
    assert Episode.objects.get(media=cats, season=2, number=4).absolute == 8
    assert len(providers.requests("tmdb")) == asked + 2, "what is over is asked for weekly"
    old(club, 24 * 7 + 1)
    episodes.refresh(club.pk)
    assert len(providers.requests("tmdb")) == asked + 4


def test_an_episode_keeps_its_row_and_goes_when_tmdb_has_it_no_more(providers: Demo) -> None:
    cats = found("harbour cats")
    providers.add_episode("cats", 2, 4, today())
    episodes.refresh(cats.pk)
    first = Episode.objects.get(media=cats, season=1, number=1).pk
    providers.reset()  # as it was before
    old(cats, 7)
    episodes.refresh(cats.pk)
    assert Episode.objects.filter(media=cats).count() == 7
    assert Episode.objects.get(media=cats, season=1, number=1).pk == first


def test_half_an_answer_changes_nothing(providers: Demo) -> None:
    cats = found("harbour cats")
    episodes.refresh(cats.pk)
    old(cats, 7)
    providers.misbehave("tmdb", "broken_json", path_prefix="tv/", skip=1)
    with pytest.raises(TransientError):
        episodes.refresh(cats.pk)
    assert Episode.objects.filter(media=cats).count() == 7
    assert Schedule.objects.get(media=cats).read_at < timezone.now() - timedelta(hours=6)


def test_a_film_s_days(providers: Demo) -> None:
    schedule = episodes.refresh(found("umbrella", "movie").pk)
    assert (schedule.cinema_on, schedule.digital_on, schedule.available_on) == (
        date(2021, 10, 8), date(2021, 11, 27), date(2021, 11, 27),
    )  # fmt: skip
    assert episodes.refresh(found("untitled seagull", "movie").pk).available_on is None
    gone = make_media(tmdb_id=404_404)
    assert episodes.refresh(gone.pk).available_on is None, "TMDB has it no more"


@pytest.mark.parametrize(
    ("cinema", "digital", "physical", "year", "wanted"),
    [
        ("2026-01-01", "2026-03-01", "2026-02-01", 2026, "2026-02-01"), ("2026-01-01", None, None, 2026, "2026-04-01"),
        (None, None, None, 2020, "2021-01-01"), (None, None, None, None, None), (None, "2026-03-01", None, None, "2026-03-01"),
    ],
)  # fmt: skip
def test_when_a_film_can_be_had(
    cinema: str | None, digital: str | None, physical: str | None, year: int | None, wanted: str | None
) -> None:
    days = [date.fromisoformat(day) if day else None for day in (cinema, digital, physical, wanted)]
    assert episodes.available_on(*days[:3], year=year) == days[3]


def test_odd_days_and_numbers() -> None:
    assert (
        tmdb.Releases.model_validate({"results": [{"release_dates": [{"type": 4, "release_date": "soon"}]}]}).first(4)
        is None
    )
    assert tmdb._episode({"id": 1, "season_number": 1, "episode_number": 1, "air_date": ""}).air_date is None  # type: ignore[union-attr]
    assert tmdb._episode({"id": 1, "season_number": -1, "episode_number": 1}) is None


def test_a_series_of_more_episodes_than_rows_can_count_is_cut(providers: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tmdb.MAX_EPISODES < 2**15, "what `absolute` holds"
    monkeypatch.setattr(tmdb, "MAX_EPISODES", 3)
    cats = found("harbour cats")
    episodes.refresh(cats.pk)
    assert list(Episode.objects.filter(media=cats).order_by("season", "number").values_list("absolute", flat=True)) == [
        1,
        2,
        3,
    ]


def test_looking_at_a_series_reads_its_seasons(providers: Demo) -> None:
    registry.load()
    cats = found("harbour cats")
    details = registry.find("scout", "details")
    assert details is not None
    job = registry.Running(uuid.uuid4(), "details", None, "", 1)
    details.handle(details.payload.model_validate({"media_id": cats.pk}), job)
    assert Episode.objects.filter(media=cats).count() == 7
