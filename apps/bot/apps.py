from django.apps import AppConfig


class BotConfig(AppConfig):
    name = "apps.bot"
    label = "bot"

    def ready(self) -> None:
        from apps.bot import notifying
        from apps.feed import push

        push.on_notification(notifying.carry)
