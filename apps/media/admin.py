"""The dashboard's list of titles."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from apps.accounts.admin import Listed
from apps.media.models import Media


@admin.register(Media)
class MediaAdmin(Listed):
    heading = gettext_lazy("Titles")
    one = gettext_lazy("Title")
    list_display = ("title", "year", "kind", "tmdb_id", "genre_names", "updated_at")
    list_filter = ("kind",)
    search_fields = ("title", "original_title", "=tmdb_id", "=imdb_id")
    ordering = ("-pk",)

    @admin.display(description=gettext_lazy("genres"))
    def genre_names(self, media: Media) -> str:
        return ", ".join(media.genres)
