"""What exists, what people like, what they watched."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q


class Kind(models.TextChoices):
    MOVIE = "movie"
    TV = "tv"


class Media(models.Model):
    """A film or a series as TMDB knows it."""

    tmdb_id = models.BigIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    title = models.CharField(max_length=500)
    original_title = models.CharField(max_length=500, blank=True, default="")
    original_language = models.CharField(
        max_length=8, blank=True, default="", help_text="ISO 639-1; empty while unknown, and of what has no words."
    )
    titles = ArrayField(models.CharField(max_length=500), default=list, help_text="Alternative titles, for matching.")
    year = models.SmallIntegerField(null=True)
    overview = models.TextField(blank=True, default="")
    genres = ArrayField(models.CharField(max_length=64))
    runtime = models.IntegerField(null=True, help_text="Minutes.")
    poster_path = models.CharField(max_length=200, blank=True, default="", help_text="TMDB's file name: /abc.jpg")
    slug = models.SlugField(max_length=200, allow_unicode=True)
    imdb_id = models.CharField(max_length=16, blank=True, default="")
    popularity = models.FloatField(default=0)
    details_at = models.DateTimeField(null=True, help_text="When the details were last read from TMDB.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "media"
        constraints = [
            models.UniqueConstraint(fields=["tmdb_id", "kind"], name="media_tmdb_unique"),
            models.CheckConstraint(condition=Q(tmdb_id__gte=0), name="media_tmdb_id_valid"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="media_kind_valid"),
            models.CheckConstraint(condition=~Q(title=""), name="media_title_present"),
            models.CheckConstraint(condition=~Q(slug=""), name="media_slug_present"),
            models.CheckConstraint(condition=Q(genres__len__gt=0), name="media_genres_present"),
            models.CheckConstraint(
                condition=Q(year__isnull=True) | Q(year__range=(1870, 2200)), name="media_year_valid"
            ),
            models.CheckConstraint(condition=Q(runtime__isnull=True) | Q(runtime__gte=0), name="media_runtime_valid"),
        ]
        indexes = [
            models.Index(fields=["slug"], name="media_slug"),
            models.Index(fields=["poster_path"], name="media_poster"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.year})" if self.year else self.title


class Favorite(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "favorites"
        constraints = [models.UniqueConstraint(fields=["user", "media"], name="favorites_unique")]
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="favorites_newest")]

    def __str__(self) -> str:
        return f"{self.user_id} likes {self.media_id}"


class Watch(models.Model):
    """How far somebody came in a title; one row a person and title, the newest position."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="+")
    position = models.FloatField(help_text="Seconds.")
    duration = models.FloatField(help_text="Seconds.")
    watched_at = models.DateTimeField()

    class Meta:
        db_table = "watch_history"
        constraints = [
            models.UniqueConstraint(fields=["user", "media"], name="watch_history_unique"),
            models.CheckConstraint(condition=Q(position__gte=0), name="watch_history_position_valid"),
            models.CheckConstraint(
                condition=Q(duration__gt=0) & Q(position__lte=F("duration")), name="watch_history_duration_valid"
            ),
        ]
        indexes = [models.Index(fields=["user", "-watched_at", "-id"], name="watch_history_newest")]

    def __str__(self) -> str:
        return f"{self.user_id} watched {self.media_id} to {self.position:.0f} s"


class Episode(models.Model):
    """An episode as TMDB knows it; season 0 are the specials."""

    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="episodes")
    season = models.SmallIntegerField()
    number = models.SmallIntegerField()
    absolute = models.SmallIntegerField(null=True, help_text="Counted over all seasons; null for specials.")
    title = models.CharField(max_length=500, blank=True, default="")
    overview = models.CharField(max_length=1000, blank=True, default="")
    air_date = models.DateField(null=True)
    tmdb_id = models.BigIntegerField()

    class Meta:
        db_table = "episodes"
        constraints = [
            models.UniqueConstraint(fields=["media", "season", "number"], name="episodes_unique"),
            models.CheckConstraint(condition=Q(season__gte=0) & Q(number__gte=0), name="episodes_numbers_valid"),
        ]
        indexes = [models.Index(fields=["air_date", "media"], name="episodes_calendar")]

    def __str__(self) -> str:
        return f"{self.media_id} S{self.season:02}E{self.number:02}"


class Schedule(models.Model):
    """When a title comes out, as last read from TMDB: apart from `media`, for most titles are only looked at."""

    media = models.OneToOneField(Media, on_delete=models.CASCADE, primary_key=True, related_name="schedule")
    over = models.BooleanField(default=False, help_text="A series of which no episode will come any more.")
    cinema_on = models.DateField(null=True)
    digital_on = models.DateField(null=True)
    physical_on = models.DateField(null=True)
    available_on = models.DateField(null=True, help_text="From when a film is looked for; null while nobody knows.")
    read_at = models.DateTimeField()

    class Meta:
        db_table = "schedules"
        indexes = [models.Index(fields=["available_on"], name="schedules_calendar")]

    def __str__(self) -> str:
        return f"schedule of {self.media_id}"
