"""Celery on Valkey, set as one sets it for jobs that must not be lost: acknowledged when done."""

import os

from celery import Celery, signals

from tests.bench.peers import marks

app = Celery("peer", broker=os.environ["REDIS_URL"])
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_hijack_root_logger=False)
_mark = None


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _begin(**_: object) -> None:
    global _mark
    _mark = marks.marker()


@app.task  # type: ignore[untyped-decorator]
def noop(asked: float) -> None:
    assert _mark is not None
    _mark(asked)
