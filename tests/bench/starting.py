"""POST /downloads/start, which writes a download, its job and its event in one transaction and has the job published: an
open loop of 50 a second, each person's own."""

import secrets
from collections.abc import Iterator

import orjson

from tests.bench import load, stack
from tests.bench.report import Figure, at_most, percentile, progress, tell

RATE, COUNT = 50, 500
EACH = 5  # downloads that one person may have at a time


def requests() -> list[bytes]:
    """COUNT of them, of people who have none yet."""
    from apps.accounts import families
    from apps.media.models import Media
    from tests.factories import make_user

    tokens = [families.start(make_user()).access for _ in range(COUNT // EACH)]
    titles = list(Media.objects.order_by("id").values_list("pk", flat=True)[:EACH])
    return [
        load.request("POST", "/downloads/start", token, orjson.dumps({"media_id": media, "magnet": magnet()}))
        for media in titles
        for token in tokens
    ]


def magnet() -> str:
    return f"magnet:?xt=urn:btih:{secrets.token_hex(20)}"


def measure() -> Iterator[Figure]:
    from apps.jobs.models import Job
    from tests.wishes import make_media

    for number in range(EACH):
        make_media(f"Title {number}", number)
    middle, late = [], []
    with stack.listening(lambda port: stack.manage("serve", "--port", str(port))) as (port, _), stack.manage("relay"):
        load.open_loop(port, requests()[:50], RATE, status=202)  # warm
        for round_ in range(stack.ROUNDS):
            progress(f"  round {round_ + 1}")
            done = load.open_loop(port, requests(), RATE, status=202)
            _ = done.rate  # raises where one was refused
            middle.append(percentile(done.milliseconds, 50))
            late.append(percentile(done.milliseconds, 95))
            stack.until(lambda: not Job.objects.filter(published_at=None).exists(), "publishing the jobs")
    yield Figure(f"POST /downloads/start at {RATE}/s, p50", "ms", middle)
    yield Figure(f"POST /downloads/start at {RATE}/s, p95", "ms", late, bar=at_most(20))


def main() -> None:
    with stack.running():
        tell(measure())


if __name__ == "__main__":
    main()
