"""What PostgreSQL refuses stands in its log by the name of the rule, without the statement, whose values are secrets of people."""

from collections.abc import Callable
from pathlib import Path

import yaml

from apps.accounts.models import User
from sokoul.stack.embedded import DISCREET
from tests.cast import Api
from tests.servers import SERVERS
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
LOG = SERVERS["DATABASE_URL"].folder / "server.log"


def test_a_refused_registration_leaves_no_hash_and_no_address_in_the_log(
    api: Callable[[User | None], Api], alice: User
) -> None:
    before = LOG.stat().st_size
    wanted = {"email": alice.email, "username": "alice2", "password": "as good as any other"}
    assert api(None).post("/auth/register", wanted).status_code == 400

    def said() -> bytes:
        return LOG.read_bytes()[before:]

    until(lambda: b"users_email_unique" in said(), what="the refusal in the log of PostgreSQL")
    assert b"argon2" not in said()
    assert alice.email.encode() not in said()


def test_the_container_of_postgresql_is_told_so_too() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["postgres"]
    assert {f"-c{name}={value}" for name, value in DISCREET.items()} <= set(service["command"])
