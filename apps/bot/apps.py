from django.apps import AppConfig


class BotConfig(AppConfig):
    name = "apps.bot"
    label = "bot"

    def ready(self) -> None:
        from apps.accounts import limiting
        from apps.accounts.channels import media
        from apps.accounts.channels.models import Kind
        from apps.bot import incoming, notifying

        media.register(Kind.TELEGRAM, media.Medium(notifying.tell, ours=True, language=notifying.language_of))
        limiting.count_by_address(f"/{incoming.WEBHOOK}")
