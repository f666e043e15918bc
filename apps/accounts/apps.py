from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        from apps.accounts import schema  # noqa: F401  registers itself
        from apps.accounts.channels import carrying
        from apps.feed import push

        push.on_notification(carrying.carry)
