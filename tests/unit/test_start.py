"""What each process loads before it can do anything: `make up` starts six of them, and every test that needs one waits for it."""

import subprocess
import sys
from pathlib import Path

from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).parents[2]
# For daphne; films; Apprise; a terminal's colours; REST framework's own pages; the web.
HEAVY = {"twisted", "daphne", "av", "apprise", "requests", "rich", "pygments", "markdown", "sokoul.urls"}
LOADED = "import gc, sys, manage; manage._load(); print(gc.isenabled(), gc.get_freeze_count(), *sys.modules)"


def test_a_process_loads_nothing_that_only_others_need() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    collects, frozen, *modules = done.stdout.split()
    loaded = set(modules)
    assert "apps.jobs.models" in loaded
    assert collects == "True"
    assert int(frozen) > 100_000, "what was loaded is looked through for garbage again and again"
    assert loaded & HEAVY == set()


def test_only_the_web_looks_at_all_of_django_when_it_starts() -> None:
    ours = {name: app for name, app in get_commands().items() if str(app).startswith(("apps.", "sokoul"))}
    checking = {name for name, app in ours.items() if load_command_class(str(app), name).requires_system_checks}
    assert len(ours) > 20
    assert not checking
