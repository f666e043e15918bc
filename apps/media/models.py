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
