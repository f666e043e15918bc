"""The alert rules of plan 8.4: each fires when it should and not before, and reaches whom it should. `make alerts` needs promtool."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
PLANNED = {  # plan 8.4: what is alerted on, with its threshold as it stands in the rule
    "critical": {
        "SokoulApiErrors": "> 0.05",
        "SokoulJobsFail": "> 0.10",
        "SokoulDatabasePoolExhausted": ">= sokoul_db_connections_max",
        "SokoulDiskNearlyFull": "> 0.90",
    },
    "warning": {
        "SokoulApiSlow": "> 2",
        "SokoulJobsSlow": "> 30",
        "SokoulMemory": "> 500e6",
        "SokoulMessagesPileUp": "> 1000",
    },
}


def loaded(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


def rules() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in loaded("prometheus/alerts.yml")["groups"] for rule in group["rules"]}


@pytest.mark.parametrize("severity", PLANNED)
def test_what_the_plan_alerts_on_is_alerted_on(severity: str) -> None:
    for name, threshold in PLANNED[severity].items():
        assert rules()[name]["labels"] == {"severity": severity}
        assert threshold in rules()[name]["expr"], name


def test_each_alert_says_what_is_wrong_and_what_to_do() -> None:
    for name, rule in rules().items():
        assert set(rule["annotations"]) == {"summary", "description"}, name
        assert rule["for"], name


def test_each_rule_has_a_case_that_fires_and_one_that_does_not() -> None:
    fires, quiet = set(), set()
    for test in loaded("prometheus/alerts_test.yml")["tests"]:
        for check in test["alert_rule_test"]:
            (fires if check["exp_alerts"] else quiet).add(check["alertname"])
    assert fires == quiet == set(rules())


def test_the_rules_pass_their_own_tests() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; `make alerts` installs it and runs the same")
    done = subprocess.run(
        [promtool, "test", "rules", "alerts_test.yml"], cwd=RULES.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_critical_pages_somebody_and_warning_is_mailed() -> None:
    config = loaded("alertmanager/alertmanager.yml")
    routed = {route["matchers"][0]: route["receiver"] for route in config["route"]["routes"]}
    assert routed == {'severity = "critical"': "on-call", 'severity = "warning"': "mail"}
    receivers = {receiver["name"]: receiver for receiver in config["receivers"]}
    assert receivers["on-call"]["pagerduty_configs"]
    assert receivers["mail"]["email_configs"]


def test_no_secret_stands_in_a_configuration() -> None:
    for file in DEPLOY.rglob("*.yml"):
        for line in file.read_text().splitlines():
            named = re.match(r"\s*-?\s*(\w*(?:password|routing_key|credentials|token)\w*):\s*(\S+)", line)
            assert not named or named[1].endswith("_file") or named[2].startswith("${"), f"{file}: {line}"


def test_logs_are_kept_for_thirty_days() -> None:
    loki = loaded("loki/loki.yml")
    assert loki["limits_config"]["retention_period"] == "720h"
    assert loki["compactor"]["retention_enabled"]


def test_promtail_reads_the_logs_of_every_component_without_making_a_label_of_every_request() -> None:
    (job,) = loaded("promtail/promtail.yml")["scrape_configs"]
    assert job["static_configs"][0]["labels"]["__path__"].endswith("/*.log")
    stages = {name: stage for entry in job["pipeline_stages"] for name, stage in entry.items()}
    assert set(stages["labels"]) == {"level", "service"}
    assert {"timestamp", "level", "service"} <= set(stages["json"]["expressions"])


def test_the_dashboard_asks_only_sources_that_are_provisioned() -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "sokoul.json").read_text())
    sources = {source["uid"] for source in loaded("grafana/provisioning/datasources/sokoul.yml")["datasources"]}
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in panels} == sources
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels:
        assert all(target["expr"] for target in panel["targets"]), panel["title"]
