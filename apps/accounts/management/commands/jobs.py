"""`manage.py jobs`."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from apps.accounts import operating
from apps.jobs import broker
from apps.jobs.models import Job, Status
from sokoul import component
from sokoul.errors import PermanentError


class Command(BaseCommand):
    help = "The jobs. Exits with 1 on a fault."
    requires_system_checks = []  # the web looks at them when it starts

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="one line a job, newest first")
        listing.add_argument("--status", choices=Status.values)
        listing.add_argument("--limit", type=int, default=50)
        verbs.add_parser("retry", help="run a failed job again with all its attempts").add_argument("job", type=UUID)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            self._list(options["status"], options["limit"])
            return
        try:
            with component.commanded("jobs"):
                self._retry(options["job"])
        except (PermanentError, broker.BrokerDown) as error:
            raise CommandError(error.message) from error

    def _list(self, status: str | None, limit: int) -> None:
        jobs = Job.objects.filter(status=status) if status else Job.objects.all()
        for job in jobs.order_by("-created_at")[:limit]:
            line = f"{job.pk}  {job.created_at:%Y-%m-%d %H:%M:%S}  {job.worker}.{job.kind}  {job.status}  {job.attempts}  {job.error}"
            self.stdout.write(line.rstrip())

    def _retry(self, job_id: UUID) -> None:
        operating.retry(job_id, by=None)
        self.stdout.write(f"{job_id} runs again")
