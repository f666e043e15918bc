"""What counts against what, over the whole stack; and the hammer, over four real web processes.

Every test asks from an address of its own: the logs of the last minute outlive the test that filled them.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from websockets.exceptions import InvalidStatus

from apps.accounts import api_keys, limiting
from apps.accounts.authentication import person_of
from apps.accounts.models import Session, User
from sokoul import throttling
from sokoul.env import ENV, Environment
from sokoul.throttling import IP, Claim, Policy
from tests.cast import Api
from tests.outages import broken
from tests.waiting import until
from tests.web import Web, environment, token_of

pytestmark = pytest.mark.django_db
PROCESSES = 4
BOUND = 3.0  # seconds (SPEC 17)
_addresses = (f"198.51.{high}.{low}" for high in range(100, 256) for low in range(1, 255))


@pytest.fixture
def address() -> str:
    return next(_addresses)


@pytest.fixture(autouse=True)
def nobody_is_trusted(monkeypatch: pytest.MonkeyPatch, valkey: str) -> Iterator[None]:
    """The limits as they are for everybody; only in this process, for the others are started with what they need."""
    monkeypatch.setattr(ENV, "trusted_ips", [])
    throttling.LIMITER.forget()
    yield
    throttling.LIMITER.forget()


class From:
    """Requests from one address: `ask("GET", "/search?query=x", token=…)`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = Client(raise_request_exception=False)

    def ask(self, method: str, path: str, token: str = "", **rest: object) -> HttpResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer: HttpResponse = self.client.generic(
            method,
            path,
            REMOTE_ADDR=self.address,
            headers={**headers, **rest.pop("headers", {})},
            **rest,  # type: ignore[dict-item]
        )
        return answer

    def standings(self, method: str, path: str, token: str = "", **rest: object) -> dict[str, int]:
        """How many more requests each policy that this one counted against has room for."""
        told = self.ask(method, path, token, **rest)["RateLimit"]
        pairs = (item.split(";") for item in told.split(", "))
        return {name.strip('"'): int(remaining.removeprefix("r=")) for name, remaining, _ in pairs}


@pytest.fixture
def client(address: str) -> From:
    return From(address)


def left(policy: Policy, who: str) -> int:
    """Room in a log, by one more request in it."""
    return throttling.LIMITER.ask([Claim(policy, who)]).standings[0].remaining + 1


# What counts against what


def test_a_person_counts_by_name_and_by_address(client: From, alice: User) -> None:
    token = token_of(alice)
    assert client.standings("GET", "/user/profile", token) == {"user": 99, "ip": 999}
    assert client.standings("GET", "/api/v1/user/profile", token) == {"user": 98, "ip": 998}
    assert client.standings("DELETE", "/nowhere", token) == {"user": 97, "ip": 997}


def test_a_person_has_one_limit_at_every_address(alice: User) -> None:
    here, there = From(next(_addresses)), From(next(_addresses))
    token = token_of(alice)
    assert here.standings("GET", "/user/profile", token) == {"user": 99, "ip": 999}
    assert there.standings("GET", "/user/profile", token) == {"user": 98, "ip": 999}


def test_people_at_one_address_have_each_their_own(client: From, alice: User, bob: User) -> None:
    assert client.standings("GET", "/user/profile", token_of(alice)) == {"user": 99, "ip": 999}
    assert client.standings("GET", "/user/profile", token_of(bob)) == {"user": 99, "ip": 998}


def test_ten_of_a_stranger_and_the_eleventh_is_told_when_to_come_back(client: From) -> None:
    answers = [client.ask("GET", "/user/profile") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    refused = answers[-1]
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["request_id"] == refused["X-Request-ID"]  # type: ignore[attr-defined]
    assert refused.json()["detail"].startswith("You ask too often.")  # type: ignore[attr-defined]
    assert 50 <= int(refused["Retry-After"]) <= 60
    assert refused["RateLimit-Policy"] == '"anonymous";q=10;w=60, "ip";q=1000;w=60'
    assert refused["RateLimit-Limit"] == "10"
    assert refused["RateLimit-Remaining"] == "0"
    assert refused["RateLimit-Reset"] == refused["Retry-After"]


def test_what_was_refused_counts_against_nothing(client: From) -> None:
    for _ in range(30):
        client.ask("GET", "/user/profile")
    assert left(IP, client.address) == 990


@pytest.mark.parametrize("bad", ["nonsense", "a.b.c", ""])
def test_a_bad_token_is_a_strangers(client: From, bad: str) -> None:
    for count in range(10):
        standing = client.standings("GET", "/user/profile", headers={"Authorization": f"Bearer {bad}"})
        assert standing == {"anonymous": 9 - count, "ip": 999 - count}
    assert client.ask("GET", "/jobs", headers={"Authorization": f"Bearer {bad}"}).status_code == 429


def test_an_api_key_counts_as_its_owner_and_a_wrong_one_as_a_strangers(client: From, alice: User) -> None:
    own, wrong = {"X-API-Key": api_keys.create(alice, "k").text}, {"X-API-Key": "sk_nobody"}
    assert client.standings("GET", "/user/profile", headers=own) == {"user": 99, "ip": 999}
    assert client.standings("GET", "/user/profile", headers=wrong) == {"anonymous": 9, "ip": 998}


def test_the_token_of_somebody_who_is_gone_is_a_strangers(client: From, api: Callable[..., Api], alice: User) -> None:
    token = api(alice).token
    assert token
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert client.standings("GET", "/user/profile", token) == {"anonymous": 9, "ip": 999}


def test_searches_of_a_person_are_thirty_got_and_posted_together(client: From, alice: User) -> None:
    token = token_of(alice)
    got = [client.ask("GET", "/search?query=", token).status_code for _ in range(15)]
    posted = [client.ask("POST", "/api/v1/search", token, content_type="application/json") for _ in range(15)]
    assert 429 not in {*got, *(answer.status_code for answer in posted)}
    assert client.ask("GET", "/search?query=", token).status_code == 429
    assert client.ask("POST", "/search", token).status_code == 429
    assert client.standings("GET", "/user/profile", token) == {"user": 69, "ip": 969}, "refused ones are in no log"


@pytest.mark.parametrize("path", ["/downloads/7/replace", "/api/v1/downloads/7/replace", "/downloads/7/better"])
def test_a_person_replaces_ten_releases_a_minute_whichever_download_they_are_of(
    client: From, alice: User, path: str
) -> None:
    token = token_of(alice)
    answers = [client.ask("POST", path.replace("7", str(number)), token).status_code for number in range(10)]
    assert answers == [404] * 10, "there are no such downloads"
    assert client.ask("POST", path, token).status_code == 429
    client.client.force_login(alice)
    assert client.ask("POST", "/app/downloads/7/replace").status_code == 429, "the button is the same"
    assert client.standings("POST", "/downloads/7/retry", token) == {"user": 89, "ip": 989}


def test_a_strangers_search_is_one_of_ten(client: From) -> None:
    assert client.standings("GET", "/search?query=") == {"anonymous": 9, "search": 29, "ip": 999}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/docs"), ("GET", "/schema"), ("HEAD", "/app/"), ("GET", "/app/login"), ("GET", "/dashboard/"),
        ("GET", "/static/css/sokoul.css"), ("GET", "/posters/w92/none.jpg"), ("GET", "/api/v1/posters/w92/none.jpg"),
        ("POST", "/telegram/webhook"),
    ],
)  # fmt: skip
def test_what_people_look_at_counts_against_the_address_alone(client: From, method: str, path: str) -> None:
    answer = client.ask(method, path)
    answer.close()
    assert "RateLimit" not in answer
    assert left(limiting.ANONYMOUS, client.address) == 10
    assert left(IP, client.address) == 999


@pytest.mark.parametrize("path", ["/health", "/health/live", "/api/v1/health/ready", "/metrics", "/api/v1/metrics"])
def test_health_and_metrics_count_against_nothing(client: From, path: str) -> None:
    assert client.ask("GET", path).status_code in {200, 403, 503}
    assert left(IP, client.address) == 1000


def test_a_form_counts_as_the_api(client: From, alice: User) -> None:
    for _ in range(2):
        client.ask("POST", "/app/logout")
    assert left(limiting.ANONYMOUS, client.address) == 8
    client.client.force_login(alice)
    assert client.standings("POST", "/app/notifications/read") == {"user": 99, "ip": 997}
    assert client.standings("POST", "/dashboard/nothing") == {"user": 98, "ip": 996}


def test_a_session_is_nobody_where_rest_takes_none(client: From, alice: User) -> None:
    client.client.force_login(alice)
    assert client.standings("GET", "/user/profile") == {"anonymous": 9, "ip": 999}


def test_a_session_from_before_a_new_password_is_a_strangers(client: From, alice: User) -> None:
    client.client.force_login(alice)
    alice.set_password("another long password")
    alice.save()
    assert client.standings("POST", "/app/notifications/read") == {"anonymous": 9, "ip": 999}


def test_a_session_stays_what_it_is_when_the_secret_was_changed(client: From, alice: User) -> None:
    """Django's own way of looking would give it another key, which the browser is not told."""
    client.client.force_login(alice)
    key = client.client.cookies[settings.SESSION_COOKIE_NAME].value
    with override_settings(SECRET_KEY="another" * 8, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert limiting.caller(_request("/app/logout", f"{settings.SESSION_COOKIE_NAME}={key}")) == alice.pk
        assert person_of("", None, key) == alice
    assert Session.objects.filter(pk=key).exists()


@pytest.mark.parametrize("key", ['"a\\000b00000000000000000000000000"', "x" * 5000, "é" * 32])
def test_a_session_that_is_none_is_a_strangers(client: From, key: str) -> None:
    client.client.cookies.load({settings.SESSION_COOKIE_NAME: key})
    assert limiting.caller(_request("/app/logout", f"{settings.SESSION_COOKIE_NAME}={key}")) is None


def _request(path: str, cookie: str) -> HttpRequest:
    return RequestFactory().post(path, headers={"Cookie": cookie})


def test_an_address_of_the_trusted_has_no_limit(client: From, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted = Environment.model_validate({"trusted_ips": "192.0.2.0/24,2001:db8::/32"}).trusted_ips
    monkeypatch.setattr(ENV, "trusted_ips", trusted)
    for peer in ("192.0.2.77", "2001:db8::77"):
        answers = [From(peer).ask("GET", "/user/profile") for _ in range(12)]
        assert {answer.status_code for answer in answers} == {401}
        assert "RateLimit" not in answers[0]
    assert client.standings("GET", "/user/profile") == {"anonymous": 9, "ip": 999}


def test_what_a_stranger_says_of_its_address_changes_nothing(client: From) -> None:
    for count in range(11):
        answer = client.ask("GET", "/user/profile", headers={"X-Forwarded-For": f"203.0.113.{count}"})
    assert answer.status_code == 429


def test_behind_a_trusted_proxy_each_client_has_its_own(client: From, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ENV, "trusted_proxies", Environment.model_validate({"trusted_proxies": client.address}).trusted_proxies
    )
    for _ in range(11):
        one = client.ask("GET", "/user/profile", headers={"X-Forwarded-For": "203.0.113.50"})
    other = client.ask("GET", "/user/profile", headers={"X-Forwarded-For": "203.0.113.51"})
    assert (one.status_code, other.status_code) == (429, 401)


def test_neighbours_in_one_slash_64_are_one_client() -> None:
    answers = [From(f"2001:db8:77::{host:x}").ask("GET", "/user/profile").status_code for host in range(1, 12)]
    assert answers == [401] * 10 + [429]


# How it is said to people


@pytest.fixture
def worn_out(client: From, monkeypatch: pytest.MonkeyPatch) -> From:
    """Has asked as often as an address may."""
    claims = [Claim(IP, client.address)]
    for _ in range(1000):
        throttling.LIMITER.ask(claims)
    return client


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Too much was asked from here"), ("fr-FR,fr", "Trop de demandes sont venues")]
)
def test_a_person_sees_a_page_in_their_language(worn_out: From, language: str, words: str) -> None:
    answer = worn_out.ask("GET", "/app/", headers={"Accept": "text/html", "Accept-Language": language})
    assert answer.status_code == 429
    assert words in answer.content.decode()
    assert int(answer["Retry-After"]) > 0
    assert "Content-Security-Policy" in answer
    assert "RateLimit" not in answer


def test_htmx_gets_a_notice_to_show_beside_the_button(worn_out: From) -> None:
    answer = worn_out.ask("POST", "/app/favourites/1", headers={"HX-Request": "true"})
    assert answer.status_code == 429
    assert answer["HX-Retarget"] == "#toasts"
    assert "Too much was asked" in answer.content.decode()


def test_files_and_pages_are_refused_as_well(worn_out: From) -> None:
    for path in ("/static/css/sokoul.css", "/posters/w92/none.jpg", "/docs", "/user/profile"):
        assert worn_out.ask("GET", path).status_code == 429, path
    for path in ("/health", "/api/v1/health/live"):
        assert worn_out.ask("GET", path).status_code != 429, path
    assert worn_out.ask("GET", "/health/live").status_code == 200


def test_nobody_is_looked_up_for_a_refusal_by_address(
    worn_out: From, alice: User, django_assert_num_queries: Callable[..., object]
) -> None:
    worn_out.client.force_login(alice)
    worn_out.ask("POST", "/app/logout")
    with django_assert_num_queries(0):
        assert worn_out.ask("POST", "/app/logout").status_code == 429


# Real processes


@pytest.fixture(scope="module")
def processes(django_db_setup: None, valkey: str, nats: str) -> Iterator[list[Web]]:
    """Four webs on one Redis, which believe what the tests say of their address."""
    more = {"TRUSTED_IPS": "", "TRUSTED_PROXIES": "127.0.0.1"}
    running = [Web({**environment(), **more}, wait=False) for _ in range(PROCESSES)]
    for web in running:
        web.wait_ready()
    yield running
    for web in running:
        web.stop()


def hammer(processes: list[Web], requests: int, path: str, headers: dict[str, str]) -> Counter[int]:
    """So many requests, from four threads a process; gives how often each status came."""
    begun = time.monotonic()

    def ask(web: Web) -> list[int]:
        with httpx.Client(base_url=web.url, headers=headers, timeout=30) as client:
            return [client.get(path).status_code for _ in range(share)]

    share, rest = divmod(requests, 4 * len(processes))
    with ThreadPoolExecutor(4 * len(processes)) as threads:
        lists = list(threads.map(ask, processes * 4))
    with httpx.Client(base_url=processes[0].url, headers=headers, timeout=30) as client:
        lists.append([client.get(path).status_code for _ in range(rest)])
    assert time.monotonic() - begun < 60, "all within one window"
    return Counter(status for statuses in lists for status in statuses)


@pytest.mark.django_db(transaction=True)
def test_of_130_requests_of_one_person_100_pass_over_four_processes(
    processes: list[Web], alice: User, address: str
) -> None:
    headers = {"Authorization": f"Bearer {token_of(alice)}", "X-Forwarded-For": address}
    assert hammer(processes, 130, "/user/profile", headers) == {200: 100, 429: 30}


def test_of_1100_requests_of_one_address_1000_pass_over_four_processes(processes: list[Web], address: str) -> None:
    headers = {"X-Forwarded-For": address}
    assert hammer(processes, 1100, "/static/logo.svg", headers) == {200: 1000, 429: 100}


def test_of_20_requests_of_a_stranger_10_pass_over_four_processes(processes: list[Web], address: str) -> None:
    assert hammer(processes, 20, "/user/profile", {"X-Forwarded-For": address}) == {401: 10, 429: 10}


@pytest.mark.django_db(transaction=True)
def test_a_stream_s_wrong_keys_are_counted_as_a_stranger_s(processes: list[Web], alice: User, address: str) -> None:
    """What is right is not: a player asks as often as it seeks."""
    throttling.LIMITER.forget()
    path, here = "/downloads/1/files/0/stream", {"X-Forwarded-For": address}
    answers = [processes[0].get(path, headers={**here, "X-API-Key": f"sk_{number}"}) for number in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert {processes[0].get(path, alice, headers=here).status_code for _ in range(12)} == {404}


def test_a_socket_is_opened_as_often_as_its_address_may_ask(processes: list[Web], address: str) -> None:
    throttling.LIMITER.forget()
    for _ in range(999):
        throttling.LIMITER.ask([Claim(IP, address)])
    statuses = []
    for _ in range(2):
        with pytest.raises(InvalidStatus) as refused:
            processes[0].ws("?token=none", additional_headers={"X-Forwarded-For": address})
        statuses.append(refused.value.response.status_code)
    assert statuses == [401, 429]
    assert int(refused.value.response.headers["Retry-After"]) > 5


@pytest.mark.django_db(transaction=True)
def test_while_the_database_cannot_say_who_asks_the_address_is_counted(
    processes: list[Web], alice: User, address: str
) -> None:
    headers = {"Authorization": f"Bearer {token_of(alice)}", "X-Forwarded-For": address}
    with broken("postgres", "stopped"):
        answer = processes[0].http.get("/user/profile", headers=headers)
    assert answer.status_code == 503
    assert answer.headers["RateLimit-Policy"] == '"ip";q=1000;w=60'
    assert answer.headers["RateLimit-Remaining"] == "999"
    until(lambda: processes[0].http.get("/user/profile", headers=headers).status_code == 200, 30, "the database")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_without_redis_each_process_limits_alone_and_later_all_together_again(
    processes: list[Web], alice: User, how: str
) -> None:
    web, other = processes[:2]

    def told() -> int:
        return sum(line["message"].startswith("Redis does not answer, each process") for line in web.lines())

    known = told()
    headers = {"Authorization": f"Bearer {token_of(alice)}", "X-Forwarded-For": next(_addresses)}

    def ask(path: str = "/user/profile", **more: str) -> httpx.Response:
        began = time.monotonic()
        answer = web.http.get(path, headers={**headers, **more})
        assert time.monotonic() - began < BOUND, f"{path}: the contract's bound"
        return answer

    assert [ask().status_code for _ in range(40)] == [200] * 40
    with broken("redis", how):
        assert [ask().status_code for _ in range(70)] == [200] * 60 + [429] * 10
        stranger = {"Authorization": "", "X-Forwarded-For": next(_addresses)}
        assert [ask(**stranger).status_code for _ in range(11)] == [401] * 10 + [429]
        assert ask("/static/logo.svg").status_code == 200
    assert told() == known + 1

    def told_to_all() -> bool:
        """Whether what one process counts, another knows of."""
        person = {"X-Forwarded-For": next(_addresses)}
        first, second = (one.http.get("/user/profile", headers=person) for one in (web, other))
        return first.headers["RateLimit"].startswith('"anonymous";r=9') and second.headers["RateLimit"].startswith(
            '"anonymous";r=8'
        )

    until(told_to_all, 30, "Redis being asked again")
