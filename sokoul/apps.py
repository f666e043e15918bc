from typing import Any

from django.apps import AppConfig

from apps.bot import status
from sokoul import metrics


class SokoulConfig(AppConfig):
    name = "sokoul"
    label = "sokoul"

    def ready(self) -> None:
        status.register(_components)
        if metrics.shared:
            from sokoul.metrics import sampler

            sampler.start()


def _components() -> dict[str, dict[str, Any]]:
    from sokoul import health  # which stands on every app, so not before they are ready

    return health.look()
