from django.apps import AppConfig


class DownloadsConfig(AppConfig):
    name = "apps.downloads"
    label = "downloads"

    def ready(self) -> None:
        from apps.downloads import rows
        from apps.feed import snapshot

        snapshot.provider("downloads", rows.active)
