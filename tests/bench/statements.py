"""What PostgreSQL takes for the statements that the product runs most, while a hundred people ask the web something each second:
a person by id, one page of what a person has, a new download, a download's progress (the plan's chapter 6.1).

The product's own functions run them, in this process, and each statement is timed as Django sees it: sent, executed, answered.
What else starting a download takes is `answers`' to say.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from tests.bench import lists, load, stack
from tests.bench.report import Figure, at_most, percentile, progress, tell
from tests.bench.starting import EACH, magnet

PEOPLE = 100
COUNT = 500  # of each statement, a round
RATE = PEOPLE  # requests a second that the web answers meanwhile
BY_ID = 'SELECT "users"'
PAGE = "SELECT (SELECT coalesce(json_agg(entry)"
INSERT = 'INSERT INTO "downloads"'
UPDATE = "UPDATE downloads d SET progress"


class Timed:
    """For `connection.execute_wrapper`: milliseconds of each statement that begins so."""

    def __init__(self, beginning: str) -> None:
        self._beginning = beginning
        self.milliseconds: list[float] = []

    def __call__(self, run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        began = time.perf_counter()
        answer = run(sql, *rest)
        if sql.startswith(self._beginning):
            self.milliseconds.append((time.perf_counter() - began) * 1000)
        return answer


def late(beginning: str, use: Callable[[], None]) -> float:
    """p95 of COUNT statements that begin so. Raises RuntimeError where `use` makes more or fewer of them."""
    timed = Timed(beginning)
    with connection.execute_wrapper(timed):
        use()
    if len(timed.milliseconds) != COUNT:
        raise RuntimeError(f"{len(timed.milliseconds)} statements began with {beginning}")
    return percentile(timed.milliseconds, 95)


@contextmanager
def busy(port: int, tokens: list[str]) -> Iterator[None]:
    """The web answers RATE requests a second, from a moment before the block until it ends."""
    paths = ("/media/favorites", "/downloads?limit=20", f"/search?query={lists.QUERY}")
    requests = [load.request("GET", paths[number % len(paths)], token) for number, token in enumerate(tokens)]
    over, begun = threading.Event(), threading.Event()
    broken: list[Exception] = []

    def ask() -> None:
        try:
            while not over.is_set():
                _ = load.open_loop(port, requests, RATE, connections=PEOPLE).rate
                begun.set()
        except Exception as error:
            broken.append(error)
            begun.set()

    asking = threading.Thread(target=ask)
    asking.start()
    begun.wait()
    try:
        yield
    finally:
        over.set()
        asking.join()
    if broken:
        raise broken[0]


# --- what is measured ---------------------------------------------------------------------------------------------------


def look_people_up() -> None:
    """As every request does, of people whom this process has forgotten."""
    from apps.accounts import identity
    from apps.accounts.models import SignIn

    sign_ins = list(SignIn.objects.values_list("user_id", "pk"))
    for user_id, sign_in in itertools.islice(itertools.cycle(sign_ins), COUNT):
        identity.forget(user_id)
        identity.living(user_id, sign_in)


def read_favourites() -> None:
    from apps.media import services
    from sokoul.api import Page

    for user_id in _people():
        if services.favorites_json(user_id, Page(1, 20))["total"] != lists.FAVORITES:
            raise RuntimeError("a page without favourites")


def read_downloads() -> None:
    from apps.downloads import rows
    from sokoul.api import Page

    for user_id in _people():
        if rows.listed_json(user_id, Page(2, 20))["total"] != lists.DOWNLOADS:
            raise RuntimeError("a list without downloads")


def _people() -> Iterator[int]:
    """COUNT ids of those who have something."""
    from apps.media.models import Favorite

    ids = list(Favorite.objects.values_list("user_id", flat=True).distinct())
    return itertools.islice(itertools.cycle(ids), COUNT)


def start_downloads() -> None:
    from apps.downloads import services
    from apps.media.models import Media
    from tests.factories import make_user

    titles = list(Media.objects.order_by("pk").values_list("pk", flat=True)[:EACH])
    for _ in range(COUNT // EACH):
        user = make_user()
        for title in titles:
            services.start(user.pk, title, magnet=magnet())


def write_progress() -> None:
    """One download's at a time; a hunter's are written together."""
    from apps.downloads import claims
    from apps.downloads.models import Download

    mine = Download.objects.filter(phase__in=["queued", "downloading"])
    mine.update(phase="downloading", status="Running")
    found = list(mine.values_list("pk", "fence")[:COUNT])
    for number, (pk, fence) in enumerate(found):
        claims.write_progress([_numbers(pk, fence, 1 + number % 90)])
    if Download.objects.filter(pk__in=[pk for pk, _ in found], progress__gt=0).count() != COUNT:
        raise RuntimeError("progress was not written")
    Download.objects.filter(pk__in=[pk for pk, _ in found]).update(progress=0)


def _numbers(pk: int, fence: int, percent: int) -> dict[str, Any]:
    """As the hunter has them."""
    return {
        "id": pk, "fence": fence, "progress": float(percent), "bytes_done": percent << 20, "bytes_total": 100 << 20,
        "rate": 1 << 20, "upload_rate": 0, "uploaded": 0, "eta": 100 - percent, "peers": 3, "received": percent << 20,
        "reason": "", "reason_texts": {}, "moved": True,
    }  # fmt: skip


# What, how its statement begins, who runs it COUNT times, and the plan's bar in milliseconds.
WORK: dict[str, tuple[str, Callable[[], None], float]] = {
    "SELECT of a person by id": (BY_ID, look_people_up, 1),
    "SELECT of a page of favourites (20)": (PAGE, read_favourites, 50),
    "SELECT of a page of downloads (20 of 200)": (PAGE, read_downloads, 50),
    "INSERT of a download": (INSERT, start_downloads, 10),
    "UPDATE of a download's progress": (UPDATE, write_progress, 10),
}


def measure() -> Iterator[Figure]:
    tokens = lists.fill(PEOPLE)
    with stack.listening(lists.ours) as (port, _), stack.manage("relay"):
        for what, (beginning, use, most) in WORK.items():
            waited = []
            for round_ in range(stack.ROUNDS):
                progress(f"  round {round_ + 1}: {what}")
                with busy(port, tokens):
                    waited.append(late(beginning, use))
            yield Figure(f"{what}, p95", "ms", waited, bar=at_most(most))


def main() -> None:
    with stack.running():
        tell(measure())


if __name__ == "__main__":
    main()
