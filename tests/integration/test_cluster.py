"""Beyond one machine: several web, scout and relay processes over three NATS nodes, of which any one may go (SPEC 20)."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from apps.accounts.models import User
from apps.jobs.models import Job, Status
from apps.media.models import Media
from sokoul.stack.embedded import Nats
from sokoul.stack.processes import free_port, write_private
from tests.product import Product
from tests.waiting import until
from tests.web import token_of
from tests.wishes import make_media

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]
NAMES = ("one", "two", "three")


class Node(Nats):
    """One of a cluster whose nodes know each other by `routes`, and share a token."""

    routes: dict[str, int] = {}

    def _configure(self) -> None:
        super()._configure()
        config = json.loads((self.folder / "nats.conf").read_text())
        others = [f"nats://127.0.0.1:{port}" for name, port in self.routes.items() if name != self.folder.name]
        config["server_name"] = self.folder.name
        config["cluster"] = {
            "name": "sokoul", "host": "127.0.0.1", "port": self.routes[self.folder.name], "routes": others,
        }  # fmt: skip
        write_private(self.folder / "nats.conf", json.dumps(config))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[dict[str, Node]]:
    Node.routes = {name: free_port() for name in NAMES}
    cluster = {name: Node(tmp_path / name) for name in NAMES}
    token = secrets.token_hex(24)
    for node in cluster.values():
        node.folder.mkdir()
        identity = {"password": token, "id": secrets.token_hex(8), "port": str(free_port())}
        write_private(node.folder / "server.json", json.dumps(identity))
    for node in cluster.values():
        node.start()
    yield cluster
    for node in cluster.values():
        node.stop()


def leader(nodes: dict[str, Node], whole: bool = False) -> str:
    """Who leads the stream of jobs; empty while nobody does, or nobody says, or, if it is to be `whole`, a copy is behind."""

    async def ask() -> str:
        client = await nats.connect([node.url for node in nodes.values()], connect_timeout=2, max_reconnect_attempts=3)
        try:
            info = await client.jetstream(timeout=2).stream_info("JOBS")
        finally:
            await client.close()
        assert info.config.num_replicas == 3
        assert info.cluster is not None
        copies = [peer for peer in info.cluster.replicas or [] if peer.current and not peer.offline]
        return (info.cluster.leader or "") if len(copies) == 2 or not whole else ""

    try:
        return asyncio.run(ask())
    except (nats.errors.Error, OSError, TimeoutError):
        return ""


def test_a_cluster_loses_each_node_that_leads_it_and_no_job(
    product: Product, nodes: dict[str, Node], alice: User
) -> None:
    urls = ",".join(node.url for node in nodes.values())
    product.environment |= {"NATS_URL": urls, "NATS_REPLICAS": "3"}
    product.start("web", "scout", "scout-2", "relay", "relay-2")
    titles = [make_media(f"Title {number}", number) for number in range(12)]
    headers = {"Authorization": f"Bearer {token_of(alice)}"}

    def searched(some: list[Media]) -> None:
        for title in some:
            answer = product.http.post("/search", json={"media_id": title.pk}, headers=headers)
            assert answer.status_code == 202, answer.text
        until(lambda: not Job.objects.exclude(status=Status.COMPLETED).exists(), 90, "the end of every job")

    searched(titles[:4])
    for round_ in (1, 2):
        gone = until(lambda: leader(nodes, whole=True), 60, "three copies")
        process = nodes[gone].process
        assert process is not None
        process.kill()
        process.wait()
        searched(titles[4 * round_ : 4 * round_ + 4])
        assert until(lambda: leader(nodes), 30, "somebody else leading") != gone
        nodes[gone].start()
    assert Job.objects.count() == len(titles)
