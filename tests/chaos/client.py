"""A client process of the database: asks for jobs in transactions, as any program of the product does.

Reads one JSON object a line, {worker, kind, payload, user_id, ids}, and answers one: {"done": true} once that is committed, or
{"error": …} where nobody knows. Asking again for the same ids is the same request.
"""

import json
import os
import sys
from typing import Any
from uuid import UUID


def enqueue(wanted: dict[str, Any]) -> None:
    from django.db import transaction

    from apps.jobs import services

    with transaction.atomic():
        for job_id in wanted["ids"]:
            services.enqueue(
                wanted["worker"], wanted["kind"], wanted["payload"], user_id=wanted["user_id"], job_id=UUID(job_id)
            )


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sokoul.settings")
    import django

    django.setup()
    from django.db import DatabaseError, InterfaceError, close_old_connections

    for line in sys.stdin:
        try:
            enqueue(json.loads(line))
            answer: dict[str, Any] = {"done": True}
        except (DatabaseError, InterfaceError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        close_old_connections()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
