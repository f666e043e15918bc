from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        from apps.accounts import damage, schema  # noqa: F401  (the latter registers itself)
        from sokoul.damage import on_damage

        on_damage(damage.tell_admins)
