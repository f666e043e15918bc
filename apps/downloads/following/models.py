"""Who follows what, and what was tried to get it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.downloads.profiles.models import QualityProfile
from apps.media.models import Media


class What(models.TextChoices):
    """What of a title is wanted. Specials (season 0) only by SEASON."""

    FILM = "film"
    ALL = "all"  # every episode, and better ones later
    FUTURE = "future"  # those that air from the day of the follow on
    MISSING = "missing"  # every episode that is not there; no better one for what is
    SEASON = "season"


class Follow(models.Model):
    """A person wants a film as soon as it can be had, or the episodes of a series as they air.

    By a profile of its own it is about a copy of its own (`Download.copy`), which is got and bettered beside any other.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="follows")
    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="follows")
    what = models.CharField(max_length=8, choices=What.choices)
    season = models.SmallIntegerField(null=True)
    profile = models.ForeignKey(
        QualityProfile,
        on_delete=models.CASCADE,
        null=True,
        related_name="follows",
        help_text="By which a copy of its own is kept; null: the title's copy, by what the title uses.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    searched_at = models.DateTimeField(null=True, help_text="When something of it was last searched for.")
    told_at = models.DateTimeField(null=True, help_text="When its person was told that a quota holds it up.")
    ended_at = models.DateTimeField(null=True, help_text="Everything of it is there, and nothing more will come.")
    keep_last = models.SmallIntegerField(null=True, help_text="Of new episodes so many stay; null: all.")
    keep_days = models.SmallIntegerField(
        null=True, help_text="A film leaves so long after it was watched; null: never."
    )

    class Meta:
        db_table = "follows"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "media", "what", "season", "profile"], name="follows_unique", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(what__in=What.values), name="follows_what_valid"),
            models.CheckConstraint(
                condition=Q(what="season", season__gte=0) | (~Q(what="season") & Q(season__isnull=True)),
                name="follows_season_valid",
            ),
            models.CheckConstraint(
                condition=(Q(keep_last__isnull=True) | Q(what="future")) & (Q(keep_days__isnull=True) | Q(what="film")),
                name="follows_retention_fits",
            ),
            models.CheckConstraint(
                condition=(Q(keep_last__isnull=True) | Q(keep_last__gte=1))
                & (Q(keep_days__isnull=True) | Q(keep_days__gte=0)),
                name="follows_retention_valid",
            ),
        ]
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="follows_newest")]

    def __str__(self) -> str:
        return f"{self.user_id} follows {self.media_id}: {self.what}"


class Seek(models.Model):
    """A film, an episode or a whole season that is searched for, for everybody who wants it."""

    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="+")
    season = models.SmallIntegerField(null=True)
    episode = models.SmallIntegerField(null=True)
    tries = models.IntegerField(default=0)
    asked_at = models.DateTimeField(null=True, help_text="When a search was last asked for: what is counted an hour.")
    searched_at = models.DateTimeField(null=True, help_text="When a search last came to its end.")
    next_at = models.DateTimeField(help_text="Not again before.")
    waiting = models.BooleanField(default=False, help_text="Something was found that a quota did not allow.")

    class Meta:
        db_table = "seeks"
        constraints = [
            models.UniqueConstraint(fields=["media", "season", "episode"], name="seeks_unique", nulls_distinct=False),
        ]
        indexes = [models.Index(fields=["asked_at"], name="seeks_asked")]

    def __str__(self) -> str:
        return f"{self.media_id} {self.season} {self.episode}"


class BetterSeek(models.Model):
    """A film, an episode or a whole season that is there and not good enough: when a better one was and will be searched for."""

    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="+")
    season = models.SmallIntegerField(null=True)
    episode = models.SmallIntegerField(null=True)
    tries = models.IntegerField(default=0)
    asked_at = models.DateTimeField(null=True, help_text="When a search was last asked for.")
    next_at = models.DateTimeField(help_text="Not looked at again before.")

    class Meta:
        db_table = "better_seeks"
        constraints = [
            models.UniqueConstraint(
                fields=["media", "season", "episode"], name="better_seeks_unique", nulls_distinct=False
            ),
        ]
        indexes = [models.Index(fields=["asked_at"], name="better_seeks_asked")]

    def __str__(self) -> str:
        return f"{self.media_id} {self.season} {self.episode}"


class Declined(models.Model):
    """What a person cancelled and took out of the list: it does not come back by itself."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="+")
    season = models.SmallIntegerField(null=True)
    episode = models.SmallIntegerField(null=True)
    copy = models.BigIntegerField(default=0, db_default=0, help_text="As a download's.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "declined"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "media", "season", "episode", "copy"], name="declined_unique", nulls_distinct=False
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} declined {self.media_id} {self.season} {self.episode}"


class CalendarAddress(models.Model):
    """The secret address of a person's calendar, as a digest: 256 random bits need no slow one."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "calendar_addresses"

    def __str__(self) -> str:
        return f"calendar of {self.user_id}"
