"""procrastinate, whose jobs are rows of PostgreSQL like ours: `python -m tests.bench.peers.procrastinate_app` is its worker."""

import os

import procrastinate

from tests.bench.peers import marks

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))
_mark = marks.marker() if "MARKS" in os.environ else None


@app.task(name="noop")
async def noop(asked: float) -> None:
    assert _mark is not None
    _mark(asked)


if __name__ == "__main__":
    app.run_worker(concurrency=8, install_signal_handlers=True)
