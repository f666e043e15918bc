"""What the image runs, as plain processes: its files, by its entry point, with the commands and health checks of compose."""

import re
import subprocess
from pathlib import Path

import pytest

from tests import image
from tests.edge import Edge
from tests.product import COMMANDS, Product
from tests.waiting import until

pytestmark = pytest.mark.stack


@pytest.fixture
def shipped(product: Product, tmp_path: Path) -> Product:
    """The product out of what the builder gets, and of nothing else of the checkout."""
    product.root = image.lay(tmp_path / "image")
    product.command_of = image.command
    own = {name: value for name, value in image.environment().items() if name not in {"DATA_DIR", "PORT"}}
    product.environment |= {**own, "BIND": "127.0.0.1", "TRUSTED_PROXIES": "127.0.0.1/32"}
    return product


def run(product: Product, line: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**product.environment, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        line, cwd=product.root, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def healthy(product: Product, service: str) -> bool:
    """As the container engine finds out; the web's port is not the image's here."""
    line = [word.replace("127.0.0.1:3000", f"127.0.0.1:{product.port}") for word in image.probe(service)]
    return run(product, line).returncode == 0


def test_the_image_runs_by_its_entry_point_behind_the_edge(shipped: Product) -> None:
    done = run(shipped, image.command("setup"))
    assert done.returncode == 0, done.stderr
    assert not healthy(shipped, "web")
    assert not healthy(shipped, "scout")
    shipped.start()
    for service in COMMANDS:
        until(lambda service=service: healthy(shipped, service), 30, f"the health of {service}")
    edge = Edge(f"127.0.0.1:{shipped.port}")
    try:
        until(lambda: edge.get("/health").status_code == 200, what="health through the edge")
        page = edge.get("/app/login")
        assert page.status_code == 200
        static = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        assert static
        assert {edge.get(path).status_code for path in static} == {200}
        assert edge.get("/search?query=tram").json()["results"]
    finally:
        edge.stop()
    for service in COMMANDS:
        shipped.processes[service].terminate()
    assert {service: shipped.processes[service].wait(65) for service in COMMANDS} == dict.fromkeys(COMMANDS, 0)


@pytest.mark.parametrize("service", image.OURS)
def test_a_missing_secret_ends_it_at_once_with_a_line_for_each_fault(service: str) -> None:
    """From the checkout: the image's files are proved above."""
    environment = {
        "DOTENV": "/dev/null",
        "DATA_DIR": "/nonexistent",
        "JWT_SECRET": "short",
        "NATS_URL": "nats://n:4222",
    }
    done = subprocess.run(
        image.command(service), cwd=image.ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    named = [line.partition(":")[0] for line in done.stderr.splitlines()]
    assert sorted(named) == ["DATABASE_URL", "JWT_SECRET", "REDIS_URL", "TELEGRAM_BOT_TOKEN", "TMDB_API_KEY"]
    assert "short." not in done.stderr
