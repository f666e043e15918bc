"""Both web processes are replaced while people work: no request is lost, and nobody is told to come back."""

import signal
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from apps.accounts.models import User
from apps.media.models import Favorite
from tests.edge import Edge
from tests.waiting import until
from tests.web import Web, token_of
from tests.wishes import make_media

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]


class Person(threading.Thread):
    """Somebody who likes and dislikes a title, on a new connection each time, until told to stop."""

    def __init__(self, url: str, token: str, media_id: int) -> None:
        super().__init__(daemon=True)
        self._url, self._media = url, media_id
        self._headers = {"Authorization": f"Bearer {token}"}
        self.answers: Counter[Any] = Counter()
        self.liked = False
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            method, path, body = (
                ("DELETE", f"/media/favorite/{self._media}", None)
                if self.liked
                else ("POST", "/media/favorite", {"media_id": self._media})
            )
            try:
                answer = httpx.request(method, self._url + path, json=body, headers=self._headers, timeout=30)
                self.answers[answer.status_code] += 1
                self.liked = not self.liked
            except httpx.TransportError as error:
                self.answers[repr(error)] += 1


def test_replacing_one_web_after_the_other_under_load_loses_nothing(
    another_web: Callable[..., Web], alice: User
) -> None:
    webs = [another_web(), another_web()]
    edge = Edge(
        f"127.0.0.1:{webs[0].port}",
        WEB_2=f"127.0.0.1:{webs[1].port}",
        CONNECTIONS_PER_IP="1000",
        REQUESTS_PER_MINUTE="100000",
    )
    token = token_of(alice)
    people = [Person(edge.url, token, make_media(f"Film {number}", number).pk) for number in range(1, 5)]
    try:
        for person in people:
            person.start()
        for old in webs:
            until(lambda: len(old.lines()) > 20, 30, "people being answered by it")  # noqa: B023
            old.process.send_signal(signal.SIGTERM)
            assert old.process.wait(60) == 0
            new = another_web(port=old.port)
            until(lambda: len(new.lines()) > 20, 30, "the edge sending people to the new one")  # noqa: B023
    finally:
        for person in people:
            person.over.set()
        for person in people:
            person.join(35)
        edge.stop()
    answers = sum((person.answers for person in people), Counter())
    assert set(answers) <= {201, 200, 204}, answers
    assert sum(answers.values()) > 100
    assert Favorite.objects.count() == sum(person.liked for person in people), "what was acknowledged is there"
