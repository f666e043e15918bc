"""Custom formats, quality profiles, and which title uses which. `apps.downloads.models` has them, too."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.media.models import Media
from sokoul.postgres.checks import json_is

APPS = ("radarr", "sonarr")


class CustomFormat(models.Model):
    """A custom format (releases.formats), with the document that it was taken from."""

    name = models.CharField(max_length=200)
    app = models.CharField(max_length=8, help_text="For which application it was written: radarr or sonarr.")
    identity = models.CharField(max_length=100, blank=True, default="", help_text="What published profiles call it.")
    conditions = models.JSONField(help_text="As releases.formats reads them.")
    scores = models.JSONField(default=dict, help_text="What its author gives for it, {set: points}.")
    source = models.JSONField(default=dict, help_text="The document itself.")

    class Meta:
        db_table = "custom_formats"
        constraints = [
            models.UniqueConstraint("app", Lower("name"), name="custom_formats_name_unique"),
            models.UniqueConstraint(
                fields=["app", "identity"], condition=~Q(identity=""), name="custom_formats_identity_unique"
            ),
            models.CheckConstraint(condition=Q(app__in=APPS), name="custom_formats_app_valid"),
            models.CheckConstraint(condition=~Q(name=""), name="custom_formats_name_present"),
            models.CheckConstraint(condition=json_is("conditions", "array"), name="custom_formats_conditions_is_array"),
            models.CheckConstraint(condition=json_is("scores", "object"), name="custom_formats_scores_is_object"),
            models.CheckConstraint(condition=json_is("source", "object"), name="custom_formats_source_is_object"),
        ]

    def __str__(self) -> str:
        return self.name


class QualityProfile(models.Model):
    """A quality profile. Its version rises with everything that may change what it decides, its formats included."""

    name = models.CharField(max_length=100)
    app = models.CharField(max_length=8, default="radarr", help_text="Whose custom formats it is offered.")
    identity = models.CharField(max_length=100, blank=True, default="", help_text="What the published one is called.")
    score_set = models.CharField(max_length=100, blank=True, default="default")
    settings = models.JSONField(help_text="As releases.profile reads them, without name and formats.")
    missing = models.JSONField(default=dict, help_text="Formats that it asks for and nobody gave, {identity: name}.")
    version = models.IntegerField(default=1)
    is_default = models.BooleanField(default=False)
    formats = models.ManyToManyField(CustomFormat, through="ProfileFormat", related_name="profiles")

    class Meta:
        db_table = "quality_profiles"
        constraints = [
            models.UniqueConstraint(Lower("name"), name="quality_profiles_name_unique"),
            models.UniqueConstraint(
                fields=["app", "identity"], condition=~Q(identity=""), name="quality_profiles_identity_unique"
            ),
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="quality_profiles_one_default"
            ),
            models.CheckConstraint(condition=Q(app__in=APPS), name="quality_profiles_app_valid"),
            models.CheckConstraint(condition=~Q(name=""), name="quality_profiles_name_present"),
            models.CheckConstraint(condition=Q(version__gte=1), name="quality_profiles_version_valid"),
            models.CheckConstraint(condition=json_is("settings", "object"), name="quality_profiles_settings_is_object"),
            models.CheckConstraint(condition=json_is("missing", "object"), name="quality_profiles_missing_is_object"),
        ]

    def __str__(self) -> str:
        return self.name


class ProfileFormat(models.Model):
    """That a profile gives points for a format."""

    profile = models.ForeignKey(QualityProfile, on_delete=models.CASCADE, related_name="places")
    format = models.ForeignKey(CustomFormat, on_delete=models.CASCADE, related_name="places")
    score = models.IntegerField(null=True, help_text="Points; null for what its author gives in the profile's set.")
    position = models.IntegerField(default=0)

    class Meta:
        db_table = "profile_formats"
        constraints = [models.UniqueConstraint(fields=["profile", "format"], name="profile_formats_unique")]

    def __str__(self) -> str:
        return f"{self.format_id} in {self.profile_id}: {self.score}"


class TitleProfile(models.Model):
    """That a title uses this profile, and not the default."""

    media = models.OneToOneField(Media, on_delete=models.CASCADE, primary_key=True, related_name="+")
    profile = models.ForeignKey(QualityProfile, on_delete=models.CASCADE, related_name="titles")

    class Meta:
        db_table = "title_profiles"

    def __str__(self) -> str:
        return f"{self.media_id} uses {self.profile_id}"
