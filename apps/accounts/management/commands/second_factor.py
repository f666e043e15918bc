"""`manage.py second_factor`."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.accounts.models import User
from apps.accounts.second_factor import services
from sokoul.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "remove: take somebody's second factor away, who lost both app and recovery codes; it ends their sign-ins, they are "
        "told, and it stands in the audit trail. reseal: encrypt every key of an app anew under the first SECRET_KEY, before "
        "an old one is dropped."
    )
    examples = ("second_factor remove alice", "second_factor remove alice@example.com", "second_factor reseal")
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("verb", choices=["remove", "reseal"])
        parser.add_argument("name", nargs="?", help="user name or e-mail address (for remove)")

    def run(self, options: dict[str, Any]) -> None:
        if options["verb"] == "reseal":
            count = services.reseal_all()
            self.say(f"{count} second factor{'' if count == 1 else 's'} resealed.")
            return self.tell({"resealed": count}) if self.as_json else None
        if not options["name"]:
            raise CommandError("Whose? Add a user name or an e-mail address.", returncode=2)
        user = User.objects.by_login(options["name"])
        if user is None:
            raise CommandError(f"Nobody here is called {options['name']}.")
        services.remove(user.pk, by=None)
        self.say(f"The second factor of {user.username} was removed; the password alone signs in now.")
        return self.tell({"removed": user.username}) if self.as_json else None
