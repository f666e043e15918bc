"""deploy/kustomization.yaml and what it names: the same programs as Compose's, watched, limited, without a secret. No cluster runs here."""

import re
from typing import Any

import pytest
import yaml

from sokoul.env import REQUIRED, Environment
from tests.image import ROOT, SERVICES

DEPLOY = ROOT / "deploy"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
OBJECTS: list[dict[str, Any]] = [
    found for path in KUSTOMIZATION["resources"] for found in yaml.safe_load_all((DEPLOY / path).read_text())
]
OURS = ("setup", "web", "scout", "hunter", "bot", "relay")
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = (entry for entry in OBJECTS if (entry["kind"], entry["metadata"]["name"]) == (kind, name))
    return found


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = named("Job" if name == "setup" else "Deployment", name)["spec"]["template"]["spec"]
    return spec


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["containers"]
    return dict(found)


def test_every_file_is_named_and_every_name_is_a_file() -> None:
    files = {f"kubernetes/{path.name}" for path in (DEPLOY / "kubernetes").iterdir()}
    assert files == set(KUSTOMIZATION["resources"])
    assert KUSTOMIZATION["configMapGenerator"] == [{"name": "edge", "files": ["edge/haproxy.cfg"]}]
    assert (DEPLOY / "edge" / "haproxy.cfg").is_file()


@pytest.mark.parametrize("name", OURS)
def test_each_program_is_compose_s_with_its_memory_and_its_time_to_leave(name: str) -> None:
    program = container(name)
    assert program["args"] == SERVICES[name]["command"]
    assert program["image"] == "sokoul"
    limit = program["resources"]["limits"]["memory"]
    assert limit.lower().removesuffix("i") == SERVICES[name]["mem_limit"]
    assert program["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert pod(name)["securityContext"]["runAsUser"] == 10001
    assert pod(name)["automountServiceAccountToken"] is False
    assert name == "setup" or pod(name)["terminationGracePeriodSeconds"] == 75
    mounted = {mount["name"] for mount in program["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod(name)["volumes"]} == {"data", "tmp"}


@pytest.mark.parametrize("name", ["scout", "hunter", "bot", "relay"])
def test_a_worker_is_asked_whether_its_loops_turn(name: str) -> None:
    probe = container(name)["livenessProbe"]["exec"]["command"]
    assert probe == SERVICES[name]["healthcheck"]["test"][1:]


def test_a_web_that_leaves_gets_no_requests_and_one_that_waits_is_not_killed() -> None:
    web = container("web")
    assert web["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": 3000}
    assert web["livenessProbe"]["httpGet"] == web["startupProbe"]["httpGet"] == {"path": "/health/live", "port": 3000}
    deployment = named("Deployment", "web")["spec"]
    assert named("HorizontalPodAutoscaler", "web")["spec"]["minReplicas"] >= 2
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    allowed = named("NetworkPolicy", "web")["spec"]["ingress"]
    assert {entry["podSelector"]["matchLabels"]["app"] for rule in allowed for entry in rule["from"]} == {
        "edge", "prometheus",
    }  # fmt: skip


def test_every_selector_finds_its_pods() -> None:
    labels = {name: named("Deployment", name)["spec"]["template"]["metadata"]["labels"] for name in (*OURS[1:], "edge")}
    for name, own in labels.items():
        assert named("Deployment", name)["spec"]["selector"]["matchLabels"] == own == {"app": name}
    for kind, name in (("Service", "web"), ("Service", "edge")):
        assert named(kind, name)["spec"]["selector"] == labels[name]


def test_settings_are_known_and_what_is_required_comes_from_a_secret() -> None:
    settings = named("ConfigMap", "sokoul")["data"]
    assert {name.lower() for name in settings} <= set(Environment.model_fields)
    for name in OURS:
        assert container(name)["envFrom"] == [{"configMapRef": {"name": "sokoul"}}, {"secretRef": {"name": "sokoul"}}]
    made = set(re.findall(r"--from-literal=([A-Z_]+)=", PAGE))
    assert {name.upper() for name in REQUIRED} <= made
    assert not made & set(settings)
    assert not [entry for entry in OBJECTS if entry["kind"] == "Secret"]


def test_scouts_are_as_many_as_searches_want_by_a_number_that_is_told() -> None:
    scaler = named("HorizontalPodAutoscaler", "scout")["spec"]
    metric = scaler["metrics"][0]["external"]["metric"]
    assert f'"{metric["name"]}"' in (ROOT / "apps" / "jobs" / "gauges.py").read_text()
    assert metric["selector"]["matchLabels"] == {"worker": "scout", "status": "Pending"}
    assert f"as: {metric['name']}" in PAGE
    for entry in OBJECTS:
        if entry["kind"] == "HorizontalPodAutoscaler":
            scaled = named("Deployment", entry["spec"]["scaleTargetRef"]["name"])["spec"]
            assert "replicas" not in scaled, "an apply would undo what the scaler did"


def test_the_edge_is_compose_s() -> None:
    edge = container("edge")
    assert edge["image"] == SERVICES["edge"]["image"]
    (mount,) = edge["volumeMounts"]
    assert mount["mountPath"] == "/usr/local/etc/haproxy"
    assert {"name": "EDGE_WEB", "value": "web:3000"} in edge["env"]
    assert edge["livenessProbe"]["httpGet"]["path"] == "/edge/alive"
