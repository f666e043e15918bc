"""`manage.py verify_audit`: has anybody altered the audit trail?"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.accounts import anchors, audit, copying
from apps.accounts.models import AuditEntry
from apps.accounts.witnesses import Contradiction, contradiction
from apps.jobs.broker import BrokerDown
from sokoul.operator_command import OperatorCommand

RESTORED = (
    "After a backup was restored this is as it must be: say `manage.py verify_audit --new-anchor` once, and only then."
)


class Command(OperatorCommand):
    help = (
        "Walks the audit trail's hash chain and names the first row that was altered, or that follows a removed one. Then "
        "compares the trail with what was noted of it outside of the database, in DATA_DIR/audit/heads.log and on the "
        "stream LOGS: that shows rows cut off at the end, and a chain that was written anew as a whole."
    )
    examples = ("verify_audit", "verify_audit --new-anchor   # after restoring a backup")
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--new-anchor",
            action="store_true",
            help="let the comparison begin with this trail, as it is now; the trail itself keeps that this was asked for",
        )

    def run(self, options: dict[str, Any]) -> None:
        verdict = audit.verify()
        if verdict.altered is not None:
            raise CommandError(
                f"The audit trail was altered: row {verdict.altered} does not fit; {verdict.rows} rows before it are whole."
            )
        if options["new_anchor"]:
            self._begin_anew()
        noted, copied = self._compare(verdict)
        if self.as_json:
            self.tell({**verdict._asdict(), "anchors": noted, "copies": copied})
        self.say(f"The audit trail is whole: {verdict.rows} rows, last {verdict.last_id} {verdict.last_hash}")
        compared = "no copies, for NATS does not answer" if copied is None else f"{copied} copies on the stream"
        self.say(
            f"It bears out {noted} anchors of {anchors.path()} and {compared}.", "" if noted and copied else "yellow"
        )
        audit.record("audit.verified", altered=None, rows=verdict.rows, anchors=noted, copies=copied)

    def _compare(self, verdict: audit.Verdict) -> tuple[int, int | None]:
        """How many anchors and copies agree; None where the stream cannot be asked. Raises CommandError."""
        noted, since = anchors.witnesses()
        self._agree(contradiction(noted), verdict)
        try:
            with self.spinner("Comparing with the stream…"):
                copied = list(copying.witnesses(since))
        except BrokerDown:
            return len(noted), None
        self._agree(contradiction(copied), verdict)
        return len(noted), len(copied)

    def _agree(self, found: Contradiction | None, verdict: audit.Verdict) -> None:
        if found is None:
            return
        audit.record("audit.verified", altered=found.witness.row_id, rows=verdict.rows, witness=found.witness.where)
        raise CommandError(f"{found.words(verdict.last_id)} {RESTORED}")

    def _begin_anew(self) -> None:
        """The row that says so is the new anchor, and names the one that does not count any more."""
        noted, _ = anchors.witnesses()
        last = {"id": noted[-1].row_id, "hash": noted[-1].hash} if noted else None
        anchors.renew(AuditEntry.objects.get(pk=audit.record("audit.anchored_anew", before=last)))
