"""Releases that indexers offered, what was decided about them, downloads and the files they became."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.downloads.following import models as _following  # noqa: F401 - Django finds them by this module
from apps.downloads.profiles.models import CustomFormat, ProfileFormat, QualityProfile, TitleProfile
from apps.media.models import Media
from sokoul.postgres.checks import json_is

__all__ = [
    "ENDED", "LIMITS", "OWNED", "STATUS_OF", "Blocked", "Candidate", "CustomFormat", "Download", "Indexer", "IndexerUse",
    "LibraryFile", "Phase", "ProfileFormat", "QualityProfile", "Source", "Start", "TitleProfile", "Torrent", "TorrentState",
]  # fmt: skip
IN_ALL = '`reason` in every language: {"en": …, "fr": …}.'
LIMITS = tuple(f"{what}_{window}" for what in ("queries", "grabs") for window in ("minute", "hour", "day"))


class Indexer(models.Model):
    """An indexer that was configured when it was last asked, how it may be asked, and how that went. Its key is never here."""

    class Kind(models.TextChoices):
        TORZNAB = "torznab"
        PROWLARR = "prowlarr"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    configured = models.BooleanField(default=True)
    enabled = models.BooleanField(default=True, help_text="An admin's switch.")
    priority = models.SmallIntegerField(default=25, help_text="1 to 50; the lower is fetched from.")
    queries_minute = models.PositiveIntegerField(null=True)
    queries_hour = models.PositiveIntegerField(null=True)
    queries_day = models.PositiveIntegerField(null=True)
    grabs_minute = models.PositiveIntegerField(null=True)
    grabs_hour = models.PositiveIntegerField(null=True)
    grabs_day = models.PositiveIntegerField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    failed_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True, default="")
    backoff_until = models.DateTimeField(null=True)
    refused = models.CharField(max_length=64, blank=True, default="", help_text="Mark of the key that it refused.")
    caps = models.JSONField(default=dict)
    caps_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    queries = models.PositiveBigIntegerField(default=0)
    failed_queries = models.PositiveBigIntegerField(default=0, help_text="Searches that failed.")
    seconds = models.FloatField(default=0, help_text="All answers together took so long.")
    releases = models.PositiveBigIntegerField(default=0)
    grabs = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "indexers"
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["torznab", "prowlarr"]), name="indexers_kind_valid"),
            models.CheckConstraint(condition=Q(priority__range=(1, 50)), name="indexers_priority_valid"),
            models.CheckConstraint(condition=json_is("caps", "object"), name="indexers_caps_is_object"),
        ]

    def __str__(self) -> str:
        return self.name


class IndexerUse(models.Model):
    """That an indexer was asked (query), or a .torrent fetched from it (grab): what its limits count, of the last 24 hours."""

    indexer = models.ForeignKey(Indexer, on_delete=models.CASCADE, related_name="uses")
    what = models.CharField(max_length=7)
    amount = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        db_table = "indexer_uses"
        constraints = [
            models.CheckConstraint(condition=Q(what__in=["queries", "grabs"]), name="indexer_uses_what_valid"),
        ]
        indexes = [
            models.Index(fields=["indexer", "what", "at"], name="indexer_uses_window"),
            models.Index(fields=["at"], name="indexer_uses_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.what} of {self.indexer_id} at {self.at}"


class Torrent(models.Model):
    """A release as the indexers know it; the same one from several indexers is one row."""

    key = models.CharField(
        max_length=160, unique=True, help_text="btih:<v1>, btmh:<v2>, or url:<sha256 of indexer and guid> until known."
    )
    title = models.CharField(max_length=1000)
    info_hash_v1 = models.CharField(max_length=40, null=True, unique=True)  # noqa: DJ001 - NULL is not unique, "" is
    info_hash_v2 = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001
    magnet = models.TextField(blank=True, default="")
    download_url = models.TextField(blank=True, default="", help_text="The .torrent at the indexer, without any key.")
    indexer = models.CharField(max_length=100, help_text="The indexer that it is fetched from.")
    indexers = ArrayField(models.CharField(max_length=100), default=list, help_text="Everyone who offers it.")
    page_url = models.TextField(blank=True, default="")
    size = models.BigIntegerField(default=0, help_text="Bytes.")
    seeders = models.IntegerField(default=0)
    peers = models.IntegerField(default=0)
    published_at = models.DateTimeField(null=True)
    parsed = models.JSONField(default=dict)
    flags = ArrayField(
        models.CharField(max_length=32), default=list, help_text="What the indexer says of it: releases.formats.FLAGS."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(help_text="When an indexer last offered it.")

    class Meta:
        db_table = "torrents"
        constraints = [
            models.CheckConstraint(
                condition=~Q(magnet="")
                | ~Q(download_url="")
                | Q(info_hash_v1__isnull=False)
                | Q(info_hash_v2__isnull=False),
                name="torrents_obtainable",
            ),
            models.CheckConstraint(
                condition=Q(info_hash_v1__isnull=True) | Q(info_hash_v1__regex=r"^[0-9a-f]{40}$"),
                name="torrents_v1_valid",
            ),
            models.CheckConstraint(
                condition=Q(info_hash_v2__isnull=True) | Q(info_hash_v2__regex=r"^[0-9a-f]{64}$"),
                name="torrents_v2_valid",
            ),
            models.CheckConstraint(
                condition=Q(magnet="") | Q(magnet__startswith="magnet:?"), name="torrents_magnet_valid"
            ),
            models.CheckConstraint(condition=~Q(title=""), name="torrents_title_present"),
            models.CheckConstraint(
                condition=Q(size__gte=0) & Q(seeders__gte=0) & Q(peers__gte=0), name="torrents_numbers_valid"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Candidate(models.Model):
    """What was decided about a release for one title by one profile, with every reason (releases.verdict)."""

    # Without an index of its own, here and below: another one that holds all rows begins with it.
    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="candidates", db_index=False)
    torrent = models.ForeignKey(Torrent, on_delete=models.CASCADE, related_name="candidates")
    score = models.IntegerField(null=True, help_text="Null when rejected.")
    reasons = models.JSONField(default=list)
    rejections = models.JSONField(default=list)
    season = models.SmallIntegerField(null=True, help_text="What was searched for.")
    episode = models.SmallIntegerField(null=True)
    profile = models.ForeignKey(
        QualityProfile,
        on_delete=models.CASCADE,
        null=True,
        related_name="candidates",
        help_text="Who decided; null is the profile that is built in.",
    )
    profile_version = models.IntegerField(default=0)
    decided_at = models.DateTimeField()

    class Meta:
        db_table = "candidates"
        constraints = [
            models.UniqueConstraint(
                fields=["media", "torrent", "season", "episode", "profile"],
                name="candidates_unique",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(score__isnull=False, rejections=[]) | (Q(score__isnull=True) & ~Q(rejections=[])),
                name="candidates_rejected_with_reason",
            ),
            models.CheckConstraint(condition=json_is("reasons", "array"), name="candidates_reasons_is_array"),
            models.CheckConstraint(condition=json_is("rejections", "array"), name="candidates_rejections_is_array"),
        ]
        indexes = [
            models.Index(
                models.F("media"), models.F("score").desc(nulls_last=True), models.F("id"), name="candidates_ranked"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.torrent_id} for {self.media_id}: {self.score}"


class Source(models.TextChoices):
    AUTOMATIC = "automatic"
    BY_HAND = "by hand"


class Blocked(models.Model):
    """A release that is not chosen again for a title: it was given up, or a person does not want it.

    It is known by torrent, by key and by hash, so that it is refused again where another indexer offers it, or the row of the
    torrent is another one by then.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        help_text="Null: for everybody.",
    )
    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="blocked")
    torrent = models.ForeignKey(Torrent, on_delete=models.SET_NULL, null=True, related_name="+")
    key = models.CharField(max_length=160, help_text="As a torrent's.")
    title = models.CharField(max_length=1000, blank=True, default="")
    size = models.BigIntegerField(default=0, help_text="Bytes, as offered; 0 where that is not known.")
    info_hash_v1 = models.CharField(max_length=40, null=True)  # noqa: DJ001 - as a torrent's
    info_hash_v2 = models.CharField(max_length=64, null=True)  # noqa: DJ001
    code = models.CharField(max_length=32, help_text="Of apps.downloads.faults.")
    reason = models.TextField(blank=True, default="", help_text="The same with its figures.")
    reason_texts = models.JSONField(default=dict, db_default={}, help_text=IN_ALL)
    source = models.CharField(max_length=16, choices=Source.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "blocklist"
        constraints = [
            models.UniqueConstraint(fields=["user", "media", "key"], name="blocklist_unique", nulls_distinct=False),
            models.CheckConstraint(condition=Q(source__in=Source.values), name="blocklist_source_valid"),
            models.CheckConstraint(condition=~Q(key="") & ~Q(code=""), name="blocklist_key_and_code_present"),
            models.CheckConstraint(
                condition=json_is("reason_texts", "object"), name="blocklist_reason_texts_is_object"
            ),
            models.CheckConstraint(condition=Q(size__gte=0), name="blocklist_size_valid"),
        ]
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="blocklist_newest")]

    def __str__(self) -> str:
        return self.title or self.key


class Phase(models.TextChoices):
    SEARCHING = "searching"
    QUEUED = "queued"
    METADATA = "metadata"
    DOWNLOADING = "downloading"
    PAUSED = "paused"
    FILING = "filing"
    SEEDING = "seeding"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


STATUS_OF = {
    Phase.SEARCHING: "Pending",
    Phase.QUEUED: "Pending",
    Phase.METADATA: "Running",
    Phase.DOWNLOADING: "Running",
    Phase.PAUSED: "Running",
    Phase.FILING: "Running",
    Phase.SEEDING: "Completed",
    Phase.DONE: "Completed",
    Phase.FAILED: "Failed",
    Phase.CANCELLED: "Failed",
}
ENDED = (Phase.DONE, Phase.FAILED, Phase.CANCELLED)
OWNED = (Phase.QUEUED, Phase.METADATA, Phase.DOWNLOADING, Phase.PAUSED, Phase.FILING, Phase.SEEDING)


class Download(models.Model):
    """One person's wish for one title, from the click to the end of seeding. The long-lived state machine (HOUSE)."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="downloads", db_index=False
    )
    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="downloads")
    torrent = models.ForeignKey(Torrent, on_delete=models.SET_NULL, null=True, related_name="downloads")
    profile = models.ForeignKey(
        QualityProfile,
        on_delete=models.SET_NULL,
        null=True,
        related_name="downloads",
        help_text="By which its release is chosen, where the person said so; null is what the title uses.",
    )
    target = models.CharField(
        max_length=100, blank=True, default="", help_text="What of a series: s01e02, s01, or a torrent's key."
    )
    copy = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="The number of the profile by which it is kept beside other copies of the title; 0: the title's own. "
        "A number and no key: it stays apart from the others when that profile is deleted.",
    )
    season = models.SmallIntegerField(null=True)
    episode = models.SmallIntegerField(null=True)
    magnet = models.TextField(blank=True, default="")
    automatic = models.BooleanField(default=False, help_text="We chose the release, and may choose another.")
    replacements = models.SmallIntegerField(
        default=0, help_text="How many releases were given up since the person last asked for it."
    )
    tried = models.JSONField(
        default=list, help_text="[{name, code, reason, texts, at}], the releases given up, oldest first."
    )
    swarm = models.CharField(max_length=64, blank=True, default="", help_text="Info-hash (v1, else v2) once known.")
    name = models.CharField(max_length=1000, blank=True, default="")
    phase = models.CharField(max_length=16, choices=Phase.choices, default=Phase.SEARCHING)
    status = models.CharField(max_length=16, default="Pending")
    reason = models.TextField(blank=True, default="", help_text="What people are told: why it waits or why it failed.")
    reason_texts = models.JSONField(default=dict, db_default={}, help_text=IN_ALL)
    progress = models.FloatField(default=0, help_text="Percent, 0 to 100.")
    bytes_done = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(default=0)
    rate = models.BigIntegerField(default=0, help_text="Bytes a second.")
    upload_rate = models.BigIntegerField(default=0)
    uploaded = models.BigIntegerField(default=0)
    eta = models.IntegerField(null=True, help_text="Seconds.")
    peers = models.IntegerField(default=0)
    bytes_received = models.BigIntegerField(
        default=0, help_text="Payload received in all, waste and repetition included."
    )
    hunter = models.CharField(max_length=64, blank=True, default="", help_text="The hunter that owns it.")
    fence = models.BigIntegerField(default=0, help_text="Raised at each claim; only its holder may write.")
    lease_until = models.DateTimeField(null=True)
    removal = models.CharField(
        max_length=8, blank=True, default="", help_text="keep or delete: what a cancel wants of the files."
    )
    moved_at = models.DateTimeField(null=True, help_text="When the last byte arrived.")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    request_id = models.CharField(max_length=64, blank=True, default="")
    replaces = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="upgrades",
        help_text="The download whose files make room for this one's, once these are there.",
    )
    is_upgrade = models.BooleanField(
        default=False, help_text="Begun with `replaces`, which is forgotten when that download is deleted."
    )

    class Meta:
        db_table = "downloads"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "media", "target", "copy"],
                condition=~Q(phase__in=["failed", "cancelled"])
                & (Q(is_upgrade=False) | Q(phase__in=["seeding", "done"])),
                name="downloads_once",
            ),
            models.CheckConstraint(condition=Q(phase__in=Phase.values), name="downloads_phase_valid"),
            models.CheckConstraint(
                condition=(Q(status="Pending") & Q(phase__in=["searching", "queued"]))
                | (Q(status="Running") & Q(phase__in=["metadata", "downloading", "paused", "filing"]))
                | (Q(status="Completed") & Q(phase__in=["seeding", "done"]))
                | (Q(status="Failed") & Q(phase__in=["failed", "cancelled"])),
                name="downloads_status_of_phase",
            ),
            models.CheckConstraint(condition=Q(progress__range=(0, 100)), name="downloads_progress_valid"),
            models.CheckConstraint(
                condition=Q(bytes_done__gte=0, bytes_total__gte=0, rate__gte=0, peers__gte=0, uploaded__gte=0),
                name="downloads_numbers_valid",
            ),
            models.CheckConstraint(condition=Q(replacements__gte=0), name="downloads_replacements_valid"),
            models.CheckConstraint(condition=json_is("tried", "array"), name="downloads_tried_is_array"),
            models.CheckConstraint(
                condition=json_is("reason_texts", "object"), name="downloads_reason_texts_is_object"
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], include=["status"], name="downloads_newest"),
            models.Index(
                fields=["user"],
                include=["bytes_total", "id"],
                condition=~Q(status="Failed") & Q(bytes_total__gt=0),
                name="downloads_kept",
            ),
            models.Index(fields=["user", "status"], name="downloads_user_status"),
            models.Index(fields=["swarm"], name="downloads_swarm"),
            models.Index(fields=["status", "-created_at"], name="downloads_status"),
            models.Index(
                fields=["lease_until"],
                condition=~Q(phase__in=["searching", "done", "failed", "cancelled"]),
                name="downloads_owned",
            ),
            models.Index(fields=["request_id"], name="downloads_request"),
        ]

    def __str__(self) -> str:
        return self.name or f"download {self.pk}"


class Start(models.Model):
    """That a person started a download, or one again: what the weekly quota counts, also once the download is gone."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()

    class Meta:
        db_table = "download_starts"
        indexes = [models.Index(fields=["user", "-at"], name="download_starts_newest")]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.at}"


class TorrentState(models.Model):
    """What another hunter needs to go on where the last one was: apart from `downloads`, whose rows change each second."""

    download = models.OneToOneField(Download, on_delete=models.CASCADE, primary_key=True, related_name="state")
    metainfo = models.BinaryField(default=b"", help_text="The .torrent, once known.")
    resume = models.BinaryField(default=b"", help_text="libtorrent's resume data.")
    files = models.JSONField(default=list, help_text="[{index, path, size}]")
    saved_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "torrent_states"
        constraints = [
            models.CheckConstraint(condition=json_is("files", "array"), name="torrent_states_files_is_array")
        ]

    def __str__(self) -> str:
        return f"state of {self.download_id}"


class LibraryFile(models.Model):
    """A file that was filed: what the library page lists and the player plays."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="+")
    download = models.ForeignKey(Download, on_delete=models.CASCADE, related_name="library_files")
    index = models.IntegerField(help_text="The file's index in its torrent.")
    path = models.TextField(help_text="Below the library folder.")
    size = models.BigIntegerField()
    linked = models.BooleanField(default=True, help_text="A hard link (else a copy).")
    duration = models.FloatField(null=True, help_text="Seconds.")
    width = models.IntegerField(null=True)
    height = models.IntegerField(null=True)
    video_codec = models.CharField(max_length=32, blank=True, default="")
    audio_codec = models.CharField(max_length=32, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "library_files"
        constraints = [
            models.UniqueConstraint(fields=["download", "index"], name="library_files_unique"),
            models.CheckConstraint(condition=Q(size__gte=0) & Q(index__gte=0), name="library_files_numbers_valid"),
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="library_files_newest"),
            models.Index(fields=["path"], name="library_files_path"),
        ]

    def __str__(self) -> str:
        return self.path
