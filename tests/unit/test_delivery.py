"""The workflow and the hooks call what developers call, and ask for no more rights than they need."""

import re
import shlex
from typing import Any

import yaml

from tests.image import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
STAGING: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/staging.yml").read_text())
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
ALL_JOBS: list[dict[str, Any]] = [*JOBS.values(), *STAGING["jobs"].values()]
STEPS = [step for job in ALL_JOBS for step in job["steps"]]
CALLED = {target for step in STEPS for target in re.findall(r"\bmake ([a-z]+)", step.get("run", ""))}


def test_the_workflow_calls_make_targets_that_exist_and_all_that_check() -> None:
    assert CALLED <= TARGETS
    assert {"lint", "alerts", "unit", "coverage", "secrets", "sast", "audit", "licences", "outdated", "sbom", "image",
            "try", "push"} <= CALLED  # fmt: skip
    for step in STEPS:
        if "run" in step:
            assert re.search(r"\bmake \w|apt-get install|docker (save|login)", step["run"]), step["run"]


def test_what_comes_to_main_is_tried_on_staging_with_five_minutes_of_load() -> None:
    assert STAGING[True] == {"push": {"branches": ["main"]}}  # YAML reads `on` as a truth value
    runs = {step["run"] for job in STAGING["jobs"].values() for step in job["steps"] if "run" in step}
    assert runs == {
        "make staging MINUTES=5",
        'make try THEN="make staging URL=http://127.0.0.1:3000 MINUTES=5"',
    }


def test_the_tests_find_their_programs_on_the_runner() -> None:
    """What `make tools` asks for, and GitHub's images do not bring, is installed where all tests run."""
    tools = re.search(r"^tools:\n((?:\t.+\n)+)", MAKEFILE, re.MULTILINE)
    assert tools
    asked = shlex.split(tools[1].rpartition("requirements/programs")[2].replace("\\\n", " "))
    wanted = {one.rpartition("=")[2] for one in asked} - {"chromium", "iproute2"}
    assert wanted >= {"haproxy", "slowhttptest"}
    (installing,) = (step["run"] for step in JOBS["test"]["steps"] if "apt-get" in step.get("run", ""))
    assert wanted <= set(installing.split())


def test_every_target_that_is_no_file_is_declared_as_such() -> None:
    phony = {name for line in re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE) for name in line.split()}
    assert phony == TARGETS


def test_rights_are_given_job_by_job_and_actions_are_pinned() -> None:
    assert WORKFLOW["permissions"] == STAGING["permissions"] == {}
    for job in ALL_JOBS:
        assert job["permissions"] == {"contents": "read"}, job["name"]
        assert job["timeout-minutes"] <= 60, job["name"]
    for step in STEPS:
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])


def test_an_image_is_pushed_for_a_tag_alone_and_by_its_version() -> None:
    pushing = [name for name, job in JOBS.items() if any("make push" in step.get("run", "") for step in job["steps"])]
    assert pushing == ["release"]
    release = JOBS["release"]
    assert release["if"] == "github.ref_type == 'tag'"
    assert set(release["needs"]) == JOBS.keys() - {"release"}
    made = [step["run"] for step in release["steps"] if step.get("run", "").startswith("make ")]
    assert made == ['make image VERSION="${GITHUB_REF_NAME#v}"', 'make push VERSION="${GITHUB_REF_NAME#v}"']
    assert JOBS["containers"]["steps"][2] == {"run": "make image", "timeout-minutes": 5}


def test_the_hooks_use_the_locked_versions() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    locked = (ROOT / "requirements/dev.txt").read_text()
    for hook in repository["hooks"]:
        program = hook["entry"].split()[0].removeprefix(".venv/bin/").removesuffix("-hook")
        assert f"\n{program}==" in locked, hook["entry"]
