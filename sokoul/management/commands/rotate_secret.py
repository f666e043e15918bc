"""`manage.py rotate_secret`."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from apps.accounts import audit
from apps.accounts.second_factor import services as second_factor
from apps.accounts.sign_ins import services as sign_ins
from sokoul import keyring, moments, signing_keys
from sokoul.env import ENV, REREAD_SECONDS, secrets_of
from sokoul.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Give the installation a new JWT_SECRET. The new one signs from now on; the old one goes on verifying until the last "
        "refresh token that it signed has expired (7 days), so nobody is signed out. Nothing is restarted: every process "
        "reads the secret again within 30 s. Works on JWT_SECRET_FILE, on .env and on DATA_DIR/.env, whichever is in use."
    )
    examples = ("rotate_secret", "rotate_secret --prune", "rotate_secret --revoke")
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--prune", action="store_true", help="only remove old secrets that no token needs any more")
        what.add_argument(
            "--revoke",
            action="store_true",
            help="the secret has leaked: remove all old ones now and end all sign-ins; everybody signs in again",
        )

    def run(self, options: dict[str, Any]) -> None:
        place = keyring.find(ENV.data_dir)
        try:
            before = place.read()
            ring = before if options["prune"] else [keyring.fresh(), *before]
            ring = ring[:1] if options["revoke"] else keyring.needed(ring)
            self._reseal(place, before, ring, options)
            if ring != before:
                place.write(ring)
        except OSError as error:
            raise CommandError(f"{place.path} cannot be changed: {error.strerror}.") from error
        removed = len([secret for secret in before if secret not in ring])
        ended = {"ended": self._end_sign_ins()} if options["revoke"] else {}
        if ring != before:
            self._audit(removed=removed, pruned=options["prune"], **ended)
        self._explain(place, ring, removed, options)

    def _reseal(self, place: keyring.Place, before: list[str], ring: list[str], options: dict[str, Any]) -> None:
        """What is encrypted under a secret that goes is encrypted anew, under one that every process knows already if any.

        A new one is written down before it is used, or what a command had encrypted that was killed could be read by nobody.
        """
        if set(before) <= set(ring) or secrets_of("SECRET_KEY"):
            return
        under = next((secret for secret in ring if secret in before), ring[0])
        if under not in before:
            place.write([under, *before])
        try:
            second_factor.reseal_all(signing_keys.derived(under))
        except DatabaseError:
            if not options["revoke"]:  # which cannot wait
                raise
            self.stderr.write(
                "The database does not answer: people need recovery codes in place of their authenticator app."
            )

    def _end_sign_ins(self) -> int:
        """None of them proves anything any more, or should. How many those were."""
        try:
            return sign_ins.end_everybodys()
        except DatabaseError:
            self.stderr.write("The database does not answer: run this again once it does, so that all sign-ins end.")
            return 0

    def _audit(self, **details: Any) -> None:
        try:
            audit.record("secret.rotated", keyring.NAME, **details)
        except DatabaseError:
            self.stderr.write("The database does not answer: this is not in the audit trail.")

    def _explain(self, place: keyring.Place, ring: list[str], removed: int, options: dict[str, Any]) -> None:
        until = time.time() + keyring.REFRESH_SECONDS + keyring.MARGIN
        if self.as_json:
            told = {"place": str(place.path), "secrets": len(ring), "removed": removed}
            self.tell({**told, "old_until": None if len(ring) == 1 else moments.of_unix(until)})
            return
        self.say(f"{place.path}: {_count(len(ring), 'secret')}, {removed} removed.")
        if options["prune"]:
            return
        self.say(f"Within {REREAD_SECONDS:g} s every process signs with the new one. Nothing has to be restarted.")
        if options["revoke"]:
            self.say("Every token that was signed before is void: everybody has to sign in again.", "yellow")
            return
        day = moments.of_unix(until).strftime("%Y-%m-%d %H:%M UTC")
        self.say(f"The old one verifies until {day}; the next rotation after that, or --prune, removes it.")
        if not ENV.secret_key:
            self.say("Web sessions are signed with a key derived from it, and go over to the new one with it.")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
