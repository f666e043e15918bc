"""GET /metrics: every process of the installation, right when some die, answered when parts are frozen, shut to strangers."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from django.test import Client, override_settings
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sokoul import env, exposition
from sokoul.metrics import files
from sokoul.stack.processes import free_port
from tests.integration.test_health import broken
from tests.person import Person
from tests.product import Product
from tests.waiting import until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PLANNED = {
    "sokoul_api_requests_total", "sokoul_api_request_duration_seconds", "sokoul_worker_jobs_total",
    "sokoul_worker_job_duration_seconds", "sokoul_db_connections_active", "sokoul_nats_messages_processed",
    "sokoul_cache_hits_total", "sokoul_cache_misses_total",
}  # fmt: skip
LIVE = {
    "Servers", "Processes", "Dead letters", "Not measured", "Requests by status", "Time to answer", "Slowest routes (p95)",
    "Open WebSockets", "Disks", "Memory", "Processor", "Database connections",
}  # fmt: skip
PROMQL_WORDS = re.compile(r"\b(sokoul_[a-z_]+|up)\b(?=[\s{\[)]|$)")


class Numbers:
    """A page of metrics, readable by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}

    def total(self, name: str, **labels: str) -> float:
        return sum(
            sample.value for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels(self, name: str, label: str) -> set[str]:
        return {sample.labels[label] for sample in self.samples if sample.name == name}


def scrape(product: Product) -> Numbers:
    answer = product.http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return Numbers(answer.text)


def asked_for() -> dict[str, set[str]]:
    """{where: the metrics that a rule or a panel of the dashboard reads}."""
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    found = {rule["alert"]: set(PROMQL_WORDS.findall(rule["expr"])) for group in groups for rule in group["rules"]}
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "sokoul.json").read_text())
    for panel in board["panels"]:
        if panel["type"] not in {"row", "logs"}:
            found[panel["title"]] = {
                name for target in panel["targets"] for name in PROMQL_WORDS.findall(target["expr"])
            }
    return found


@pytest.mark.stack
def test_every_process_is_counted_by_the_plans_names(product: Product) -> None:
    product.start()
    alice = Person(product)
    media_id = alice.find("last+night+tram")
    alice.find("last+night+tram")
    started = alice.call("POST", "/downloads/start", media_id=media_id)
    alice.completes(started["id"])
    assert alice.raw("GET", "/media/999999").status_code == 404
    assert alice.raw("GET", "/no/such/place").status_code == 404

    def told() -> Numbers | None:
        numbers = scrape(product)
        completed = numbers.total("sokoul_worker_jobs_total", worker="hunter", kind="start", outcome="completed")
        pools = "sokoul_db_connections_active" in numbers.names and all(
            numbers.total("sokoul_db_connections_max", component=name)
            and numbers.total("sokoul_asyncio_tasks", component=name)
            for name in ("web", "scout", "hunter")
        )  # each process measures itself every few seconds
        sampled = pools and numbers.total("sokoul_downloads", phase="seeding")
        return numbers if completed and sampled else None

    numbers = until(told, 30, "the numbers of the hunter")
    known = numbers.names | {name.removesuffix("_bucket") for name in numbers.names}
    assert known >= PLANNED
    assert numbers.total("sokoul_worker_jobs_total", worker="scout", kind="search", outcome="completed") == 1
    assert numbers.total("sokoul_worker_job_duration_seconds_count", worker="hunter", kind="start") == 1
    assert numbers.total("sokoul_cache_hits_total", cache="search") == 1
    assert numbers.total("sokoul_cache_misses_total", cache="search") == 1
    assert numbers.total("sokoul_api_requests_total", route="media/<int:media_id>", status="404") == 1
    assert numbers.total("sokoul_api_requests_total", route="unmatched", status="404") == 1
    assert numbers.total("sokoul_api_request_duration_seconds_count", route="downloads/start", method="POST") == 1
    assert numbers.total("sokoul_nats_messages_processed", answer="ack") >= 2
    assert numbers.total("sokoul_outbound_requests_total", provider="TMDB", outcome="ok") >= 1
    assert numbers.labels("sokoul_processes", "component") == {"web", "scout", "hunter", "bot", "relay"}
    assert not any(
        character.isdigit()
        for route in numbers.labels("sokoul_api_requests_total", "route")
        for character in route.replace("v1", "")
    )
    assert numbers.total("sokoul_db_connections_max", component="web") == 10
    assert numbers.total("sokoul_source_up") == len(exposition.SOURCES)

    exposed = numbers.names | {"up"}  # that one is Prometheus's own
    for where, names in asked_for().items():
        assert names, where
        assert names <= exposed, f"{where} asks for {names - exposed}"


@pytest.mark.stack
def test_numbers_never_go_back_when_processes_die_and_come_again(product: Product) -> None:
    product.start("web", "scout", "relay")
    alice = Person(product)
    alice.raw("POST", "/search", {"media_id": alice.find("last+night+tram")}, Prefer="wait=20")

    def searches(numbers: Numbers) -> float:
        return numbers.total("sokoul_worker_jobs_total", worker="scout", outcome="completed")

    until(lambda: searches(scrape(product)) == 1, 30, "the first count")
    registered = scrape(product).total("sokoul_api_requests_total", route="auth/register")
    product.kill("scout")
    numbers = scrape(product)
    assert searches(numbers) == 1
    assert numbers.labels("sokoul_processes", "component") == {"web", "relay"}
    folder = product.folder / "run" / "metrics"
    assert not list(folder.glob("*scout*")), "what a dead process leaves is added up and removed"

    product.start("scout")
    product.stop("web")
    product.start("web")
    assert scrape(product).total("sokoul_api_requests_total", route="auth/register") == registered
    alice.raw("POST", "/search", {"media_id": alice.find("snail+express")}, Prefer="wait=20")
    until(lambda: searches(scrape(product)) == 2, 30, "the second count")


@pytest.mark.stack
def test_it_answers_within_three_seconds_while_parts_are_frozen(product: Product) -> None:
    product.start("web")
    with broken("postgres", "frozen"), broken("nats", "frozen"):
        for _ in range(2):
            begun = time.monotonic()
            numbers = scrape(product)
            assert exposition.PATIENCE <= 2.5, "the contract's bound is 3 s"
            assert time.monotonic() - begun < 5, "and a busy machine may do something else in between"
            assert numbers.total("sokoul_component_up", component="postgres") == 0
            assert numbers.total("sokoul_source_up", source="jobs") == 0
            assert numbers.total("sokoul_source_up", source="disks") == 1
    until(lambda: scrape(product).total("sokoul_source_up") == len(exposition.SOURCES), 30, "all sources again")


@pytest.mark.stack
def test_a_refusal_by_the_server_itself_is_counted(product: Product) -> None:
    product.start("web")
    answer = product.http.post("/auth/login", content=b"x" * 1_100_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert scrape(product).total("sokoul_api_requests_total", route="refused", status="413") == 1


# Who may read it


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[Client]:
    """METRICS_TOKEN and TRUSTED_IPS set, a proxy trusted, and nothing looked up."""
    monkeypatch.setenv("METRICS_TOKEN", "metrics-token-one,metrics-token-two")
    env.reread()
    settings = {"trusted_ips": ["192.0.2.0/24"], "trusted_proxies": ["198.51.100.1"]}
    changed = env.Environment.model_validate(settings)
    for name in settings:
        monkeypatch.setattr(env.ENV, name, getattr(changed, name))
    monkeypatch.setattr(exposition, "SOURCES", ())
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        yield Client()
    monkeypatch.undo()
    env.reread()


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("203.0.113.9", {}, 403),
        ("192.0.2.7", {}, 200),
        ("203.0.113.9", {"Authorization": "Bearer metrics-token-one"}, 200),
        ("203.0.113.9", {"Authorization": "Bearer metrics-token-two"}, 200),
        ("203.0.113.9", {"Authorization": "Bearer metrics-token"}, 403),
        ("203.0.113.9", {"Authorization": "Bearer "}, 403),
        ("203.0.113.9", {"Authorization": "Basic metrics-token-one"}, 403),
        # A reverse proxy on this machine asks for somebody else, whether it is trusted to say for whom or not.
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 403),
        ("127.0.0.1", {"Via": "1.1 proxy"}, 403),
        ("198.51.100.1", {"X-Forwarded-For": "192.0.2.7"}, 200),
        ("198.51.100.1", {"X-Forwarded-For": "203.0.113.9"}, 403),
        ("203.0.113.9", {"X-Forwarded-For": "192.0.2.7"}, 403),
    ],
)
def test_strangers_are_shut_out(guarded: Client, peer: str, headers: dict[str, str], status: int) -> None:
    answer = guarded.get("/metrics", REMOTE_ADDR=peer, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer["Content-Type"] == "application/problem+json"
        assert b"sokoul_" not in answer.content


# The files


def test_a_broken_file_is_left_out(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from sokoul.metrics import files;"
        "files.join(sys.argv[2], Path(sys.argv[1]));"
        "from prometheus_client import Counter; Counter('told', 'x').inc(3); print(files._held)"
    )
    for component in ("one", "two"):
        subprocess.run([sys.executable, "-c", program, str(tmp_path), component], cwd=ROOT, check=True)
    assert _told(tmp_path) == 6
    (tmp_path / "counter_three.db").write_bytes(b"\xff\x00\x00\x00" + b"\x77" * 500)
    assert _told(tmp_path) == 6


def _told(folder: Path) -> float:
    return sum(
        sample.value for metric in files.read(folder) for sample in metric.samples if sample.name == "told_total"
    )


def test_a_full_disk_costs_numbers_and_not_the_process(tmp_path: Path) -> None:
    """A write to a hole of a sparse file on a full disk would kill the process (SIGBUS)."""
    program = (
        "import resource, sys; from pathlib import Path; from sokoul.metrics import files;"
        "assert files.join('web', Path(sys.argv[1]));"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({files.RESERVED}, {files.RESERVED}));"
        "from prometheus_client import Counter; c = Counter('many', 'x', ['n']);"
        "[c.labels('x' * 100 + str(n)).inc() for n in range(3000)];"
        "[c.labels('x' * 100 + str(n)).inc() for n in range(3000)];"
        "assert 1000 < sum(s.value == 2 for m in files.read(Path(sys.argv[1])) for s in m.samples) < 3000"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=True)
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000));" + (
        "import sys; from pathlib import Path; from sokoul.metrics import files;"
        "assert not files.join('web', Path(sys.argv[1])); assert not list(Path(sys.argv[1]).iterdir())"
    )
    subprocess.run([sys.executable, "-c", limited, str(tmp_path / "none")], cwd=ROOT, check=True)


def test_without_a_component_there_are_no_files() -> None:
    from sokoul import metrics

    assert not metrics.shared
    registry = CollectorRegistry()
    Counter("plain", "x", registry=registry).inc()
    assert b"plain_total 1.0" in generate_latest(registry)


# Prometheus itself


@pytest.mark.stack
def test_prometheus_scrapes_it_loads_the_rules_and_fills_the_dashboard(product: Product, tmp_path: Path) -> None:
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("Prometheus is not installed: apt-get install prometheus")
    product.start("web", METRICS_TOKEN="a-token-for-prometheus")
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (tmp_path / "token").write_text("a-token-for-prometheus")
    sokoul = config["scrape_configs"][0]
    sokoul["authorization"]["credentials_file"] = str(tmp_path / "token")
    sokoul["static_configs"] = [{"targets": [f"127.0.0.1:{product.port}"]}]
    config |= {"scrape_configs": [sokoul], "alerting": {}, "rule_files": [str(DEPLOY / "prometheus" / "alerts.yml")]}
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    sokoul["scrape_timeout"] = "1s"  # no longer than the interval: one that a busy machine makes fail has a next one
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [prometheus, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    with (tmp_path / "log").open("w") as output:
        process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=5) as api:
            target = until(lambda: _scraped(api), 20, f"a scrape; {(tmp_path / 'log').read_text()[-500:]}")
            assert target["scrapeUrl"].endswith("/metrics")
            until(lambda: _components(api) == {"postgres", "redis", "nats"}, 30, "all components in one scrape")
            until(lambda: "SokoulProcessMissing" in _firing(api), 30, "an evaluation: only the web runs")
            until(lambda: _live(api, product) >= LIVE, 30, "the dashboard's panels showing what it does")
    finally:
        process.terminate()
        process.wait(30)
    said = (tmp_path / "log").read_text()
    assert "level=error" not in said
    assert said.count("level=warn") == said.count("Received SIGTERM")


def _scraped(api: httpx.Client) -> dict[str, Any] | None:
    try:
        targets = api.get("/targets").json()["data"]["activeTargets"]
    except (httpx.TransportError, json.JSONDecodeError):  # it says so in plain text while it starts
        return None
    return targets[0] if targets and targets[0]["health"] == "up" else None


def _components(api: httpx.Client) -> set[str]:
    found = api.get("/query", params={"query": "sokoul_component_up"}).json()["data"]["result"]
    return {row["metric"]["component"] for row in found}


def _live(api: httpx.Client, product: Product) -> set[str]:
    """The dashboard's panels that show something while people ask. Prometheus understands what each of them wants."""
    assert product.http.get("/user/profile").status_code == 401
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "sokoul.json").read_text())
    live = set()
    for panel in board["panels"]:
        if panel["type"] == "row" or panel["datasource"]["type"] != "prometheus":
            continue
        for target in panel["targets"]:
            asked = target["expr"].replace("$__rate_interval", "30s")
            answer = api.get("/query", params={"query": asked}).json()
            assert answer["status"] == "success", (panel["title"], answer)
            live |= {panel["title"]} if answer["data"]["result"] else set()
    return live


def _firing(api: httpx.Client) -> set[str]:
    """Alerts that hold now, also those that have not held long enough to be sent."""
    return {alert["labels"]["alertname"] for alert in api.get("/alerts").json()["data"]["alerts"]}
