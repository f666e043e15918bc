"""A scout with its default slots and nothing else: what the benchmark of the task layer measures."""

import os

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sokoul.settings")
    import django

    django.setup()
    from apps.jobs.worker import Worker

    Worker("scout").run()
