"""Who hears of an alert: the real Alertmanager with its own configuration, in front of a mail server and a pager."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sokoul.stack.processes import free_port, spawn
from tests.notifier import Mailbox, Receiver
from tests.waiting import until

CONFIG = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"
PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
Raise = Callable[[str, str], None]


@pytest.fixture
def pager() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def _here(pager: Receiver, mailbox: Mailbox, folder: Path) -> dict[str, Any]:
    """The configuration as it is, but for where the mail server and the pager are, and how long it gathers."""
    text = CONFIG.read_text().replace("/run/secrets", str(folder))
    config: dict[str, Any] = yaml.safe_load(text)
    for name in ("pagerduty_key", "smtp_password"):
        (folder / name).write_text(f"the-{name}")
    sender = config["global"]["smtp_from"]
    config["global"] = {
        "smtp_smarthost": f"127.0.0.1:{mailbox.port}",
        "smtp_from": sender,
        "smtp_require_tls": False,
        "pagerduty_url": pager.url,
    }
    for route in (config["route"], *config["route"]["routes"]):
        route["group_wait"] = "100ms"
    return config


@pytest.fixture
def alert(pager: Receiver, mailbox: Mailbox, tmp_path: Path) -> Iterator[Raise]:
    """`alert(name, severity)` as Prometheus raises it."""
    if PROGRAM is None:
        pytest.skip("Alertmanager is not installed: apt-get install prometheus-alertmanager")
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(_here(pager, mailbox, tmp_path)))
    port = free_port()
    command = [PROGRAM, f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/data"]
    with (tmp_path / "log").open("wb") as log:
        alone = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
        process = spawn([*command, *alone], os.environ, signal.SIGKILL, log.fileno(), tmp_path)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as api:

        def ready() -> bool:
            assert process.poll() is None, (tmp_path / "log").read_text()
            with suppress(httpx.TransportError):
                return api.get("/-/ready").status_code == 200
            return False

        def raised(name: str, severity: str) -> None:
            labels = {"alertname": name, "severity": severity}
            body = [{"labels": labels, "annotations": {"summary": f"{name} holds"}}]
            assert api.post("/api/v2/alerts", json=body).status_code == 200

        try:
            until(ready, what="Alertmanager being ready")
            yield raised
        finally:
            process.terminate()
            process.wait(30)


def test_what_is_critical_pages_whoever_is_on_call_and_what_is_a_warning_is_mailed(
    alert: Raise, pager: Receiver, mailbox: Mailbox
) -> None:
    alert("SokoulApiErrors", "critical")
    alert("SokoulApiSlow", "warning")
    until(lambda: pager.posts and len(mailbox.mails) == 2, what="the page, and two mails")
    (page,) = pager.told()
    assert page["routing_key"] == "the-pagerduty_key"
    assert page["event_action"] == "trigger"
    assert page["payload"]["summary"] == "SokoulApiErrors holds"
    told = {(mail["To"], "SokoulApiErrors" in str(mail), "SokoulApiSlow" in str(mail)) for mail in mailbox.mails}
    assert told == {("on-call@example.org", True, False), ("operators@example.org", False, True)}
