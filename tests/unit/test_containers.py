"""Dockerfile, .dockerignore and docker-compose.yml keep what they promise. That they run: tests/integration/test_image.py."""

import re
from pathlib import Path

import pytest
import yaml

from sokoul.env import REQUIRED, Environment
from tests import image
from tests.image import COMPOSE, OURS, ROOT, SERVICES

TEXT = (ROOT / "docker-compose.yml").read_text()
ENVIRONMENT = COMPOSE["x-environment"]
PROFILES = {"green", "release", "prowlarr", "prometheus", "alertmanager", "grafana", "loki", "promtail"}
LONG = sorted(SERVICES.keys() - {"setup", "release"})  # what runs for long
WRITES_OUTSIDE_ITS_VOLUMES = {"postgres", "prowlarr", "grafana"}


# The image


def test_the_builder_gets_what_the_image_is_made_of_and_nothing_else(tmp_path: Path) -> None:
    for path in (
        ".env", "secrets/jwt_secret", "var/.env", ".git/config", "tests/cast.py", "requirements/dev.txt",
        "docker-compose.yml", "sokoul/__pycache__/env.cpython-311.pyc", "apps/x/y/z.pyc",
    ):  # fmt: skip
        assert not image.reaches_the_builder(path), path
    sources = [source for source, _ in image.copied()]
    assert all(image.reaches_the_builder(source) for source in sources)
    folder = image.lay(tmp_path)
    assert (folder / "manage.py").is_file()
    assert (folder / "locale/fr/LC_MESSAGES/django.mo").is_file()
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.suffix != ".pyc" and file.is_file())
    assert size < 10_000_000, "the plan allows a binary of 100 MB; our own part is a fraction of that"


def test_the_image_is_built_in_stages_from_locked_packages_and_runs_as_nobody_special() -> None:
    assert len(re.findall(r"^FROM ", image.DOCKERFILE, re.MULTILINE)) == 2
    assert "--require-hashes" in image.DOCKERFILE
    assert image.instruction("USER") == "10001:10001"
    base = image.instruction("ARG").removeprefix("BASE=")
    assert re.fullmatch(r"python:3\.1[123]-slim-\w+", base), base


def test_the_health_check_of_the_image_asks_health() -> None:
    assert "http://127.0.0.1:3000/health'" in image.instruction("HEALTHCHECK").replace('",', "")
    assert SERVICES["web"]["healthcheck"]["test"][-1] in image.instruction("HEALTHCHECK")


# Compose


def test_compose_has_every_service_of_the_plan() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {
        "postgres", "redis", "nats", "setup", "web", "scout", "hunter", "bot", "relay", "edge",
    }  # fmt: skip
    assert {name for name, service in SERVICES.items() if "profiles" in service} == PROFILES


def test_every_variable_reaches_the_processes_and_no_secret_has_a_default() -> None:
    assert {name.removesuffix("_FILE") for name in ENVIRONMENT} == {field.upper() for field in Environment.model_fields}
    for field in REQUIRED:
        assert re.search(r"\$\{\w+:\?Set \w+ in \.env to .{10,}\}", ENVIRONMENT[field.upper()]), field
    for name in re.findall(r"\$\{(\w*(?:PASSWORD|TOKEN|SECRET|KEY)):-([^}]+)\}", TEXT):
        raise AssertionError(f"{name} has a default")
    assert all(SERVICES[name]["environment"] == ENVIRONMENT for name in (*OURS, "green", "release"))


@pytest.mark.parametrize("name", LONG)
def test_each_service_is_watched_limited_and_stopped_with_patience(name: str) -> None:
    service = SERVICES[name]
    assert {"test", "interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()
    assert {"mem_limit", "cpus", "pids_limit", "stop_grace_period"} <= service.keys()
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only") is not (name in WRITES_OUTSIDE_ITS_VOLUMES)
    if name in {*OURS, "green", "edge"}:
        assert service["stop_grace_period"] == "75s"
    if name not in {*OURS, "green"}:
        assert re.search(r":v?\d", service["image"]), "a version"


def test_setup_runs_once_before_everything_of_ours() -> None:
    assert (SERVICES["setup"]["command"], SERVICES["setup"]["restart"]) == (["setup"], "no")
    for name in set(OURS) - {"setup"}:
        assert SERVICES[name]["depends_on"]["setup"] == {"condition": "service_completed_successfully"}


def test_ports_are_the_plans_and_open_to_nobody_but_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    ports = {
        "postgres": "5432", "redis": "6379", "nats": "4222", "prowlarr": "9696", "edge": "3000",
    }  # fmt: skip
    for name, port in ports.items():
        assert published[name][0].endswith(f":{port}")
    assert set(published.pop("hunter")) == {"6881:6881/tcp", "6881:6881/udp"}
    for name, lines in published.items():
        assert all(re.match(r"\$\{\w*BIND:-127\.0\.0\.1\}:", line) for line in lines), name
    assert "ports" not in SERVICES["web"], "the edge is the only way in"


def test_the_web_believes_the_edge_alone_and_the_edge_runs_the_tested_configuration() -> None:
    subnet = COMPOSE["networks"]["door"]["ipam"]["config"][0]["subnet"]
    assert ENVIRONMENT["TRUSTED_PROXIES"] == subnet
    assert {name for name, service in SERVICES.items() if "door" in service.get("networks", [])} == {
        "web", "green", "edge", "release",
    }  # fmt: skip
    assert "./deploy/edge/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro" in SERVICES["edge"]["volumes"]
    known = set(re.findall(r"(EDGE_[A-Z_0-9]+)", (ROOT / "deploy/edge/haproxy.cfg").read_text()))
    assert SERVICES["edge"]["environment"].keys() <= known


def test_what_compose_mounts_from_the_checkout_is_there() -> None:
    for source in re.findall(r"\./(deploy/[\w/.]+):", TEXT):
        assert (ROOT / source).exists(), source
    stages = yaml.safe_load((ROOT / "deploy/promtail/containers.yml").read_text())["scrape_configs"][0]
    assert stages["pipeline_stages"][0] == {"docker": {}}


def test_the_two_webs_of_a_release_differ_in_their_image_alone_and_nobody_is_sent_to_the_second() -> None:
    web, green = SERVICES["web"], SERVICES["green"]
    assert {name for name in web.keys() | green.keys() if web.get(name) != green.get(name)} == {"image", "profiles"}
    edge = SERVICES["edge"]["environment"]
    assert (edge["EDGE_WEB"], edge["EDGE_WEB_2"]) == ("web:3000", "green:3000")
    assert (edge["EDGE_WEIGHT"], edge["EDGE_WEIGHT_2"]) == ("100", "0")
    assert {"web", "green"} <= set(ENVIRONMENT["ALLOWED_HOSTS"].split(","))


def test_the_edges_socket_reaches_the_release_and_no_other_service() -> None:
    mounted = {
        name: volume.split(":")[1]
        for name, service in SERVICES.items()
        for volume in service.get("volumes", [])
        if volume.startswith("edge:")
    }
    assert mounted == {"edge": "/var/lib/haproxy", "release": "/edge"}
    folder, name = SERVICES["edge"]["environment"]["EDGE_ADMIN"].rsplit("/", 1)
    assert folder == mounted["edge"]
    assert f"{mounted['release']}/{name}" in SERVICES["release"]["entrypoint"]
    assert SERVICES["release"]["group_add"] == ["99"], "the edge's own"
    assert SERVICES["release"]["depends_on"] == [], "the way back waits for nothing"
    assert f"chmod 770 {folder} " in SERVICES["edge"]["command"][-1]
