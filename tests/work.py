"""What workers would do with the jobs that wait, done in this process."""

import json

from apps.jobs import claims, registry
from apps.jobs.models import Job
from sokoul import request_id
from sokoul.errors import PermanentError


def work_off() -> int:
    """Run every job that waits, in the order of their making, once; gives how many there were."""
    registry.load()
    waiting = list(Job.objects.filter(status="Pending").order_by("created_at", "pk").values_list("pk", flat=True))
    for number, pk in enumerate(waiting, 1):
        for job in claims.claim({pk: number}):
            _run(job)
    return len(waiting)


def _run(job: Job) -> None:
    handler = registry.find(job.worker, job.kind)
    assert handler is not None, f"nobody knows {job.worker}.{job.kind}"
    with request_id.bound(job.request_id, job.user_id):
        try:
            result = handler.handle(handler.payload(**job.payload), claims.running(job))
        except PermanentError as error:
            claims.fail(job, error.message)
        else:
            claims.complete([claims.Finished(job, json.dumps(result or {}))])
