from django.apps import AppConfig


class DownloadsConfig(AppConfig):
    name = "apps.downloads"
    label = "downloads"

    def ready(self) -> None:
        from django.utils.translation import gettext_lazy

        from apps.accounts import api_keys
        from apps.accounts import quotas as limits
        from apps.accounts.channels import preferences
        from apps.downloads import quotas, rows
        from apps.downloads.following import addresses
        from apps.feed import snapshot

        api_keys.also_end(addresses.end_with_keys)
        snapshot.provider("downloads", rows.active)
        limits.counted_by(quotas.used)
        preferences.offer("download_completed", gettext_lazy("A download is in my library"))
        preferences.offer("download_replaced", gettext_lazy("A release was given up and the next best is taken"))
        preferences.offer("download_failed", gettext_lazy("A download failed"))
        preferences.offer("follow_waits", gettext_lazy("What I follow waits for my quota"))
