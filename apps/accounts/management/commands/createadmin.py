"""Makes the first admin, or one more."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts import services
from apps.accounts.models import Role, User
from sokoul import component
from sokoul.env import ENV
from sokoul.errors import PermanentError

USERNAME = "admin"


class Command(BaseCommand):
    help = (
        "Makes the first admin: ADMIN_EMAIL with ADMIN_PASSWORD, or with a generated password that is printed once. "
        "Does nothing when there is an admin already. With --username or --email it makes one more admin."
    )
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", help=f"user name of the admin (default: {USERNAME})")
        parser.add_argument("--email", help="e-mail address of the admin (default: ADMIN_EMAIL)")

    def handle(self, *args: Any, **options: Any) -> None:
        username, email = options["username"], options["email"]
        if admin := self._existing(username, email):
            self.stdout.write(f"The admin exists already: {admin.username}")
            return
        password = ENV.admin_password or secrets.token_urlsafe(12)
        try:
            with component.commanded("createadmin"):
                user = services.register(email or ENV.admin_email, username or USERNAME, password, role=Role.ADMIN)
        except PermanentError as error:
            raise CommandError(error.message) from error
        shown = "its password is ADMIN_PASSWORD" if ENV.admin_password else f"its password, shown only now: {password}"
        self.stdout.write(f"Admin {user.username} ({user.email}) was made; {shown}")

    def _existing(self, username: str | None, email: str | None) -> User | None:
        if not username and not email:
            return User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk").first()
        user = User.objects.by_login(username or email or "")
        return user if user and user.is_admin else None
