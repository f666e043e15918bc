from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from apps.accounts import damage, refused_keys, released, schema  # noqa: F401  (the latter three register)
        from apps.accounts.channels import carrying
        from apps.feed import push
        from sokoul.damage import on_damage

        # Nobody reads what that writes: `sign_ins` tell it, and of tokens too.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
        push.on_notification(carrying.carry)
        on_damage(damage.tell_admins)
