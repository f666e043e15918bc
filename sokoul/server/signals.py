"""SIGTERM and SIGINT drain, SIGHUP re-reads the secrets; and the clock that makes sure of the end."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger("sokoul.server")
STOP = (signal.SIGTERM, signal.SIGINT)


def listen(on_stop: Callable[[], None], on_reread: Callable[[], None], last_resort: float) -> None:
    """Call on_stop at the first stop signal and on_reread at each SIGHUP, on the running loop. Main thread only.

    `last_resort` seconds after the stop signal the process leaves whatever still hangs: with status 0, for by then everything
    that could end has ended.
    """
    loop = asyncio.get_running_loop()
    stopping = threading.Event()

    def soon(call: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:
            return  # the loop is closed: we are leaving already

    def stop(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            logger.info("%s again: still draining", signal.Signals(number).name)
            return
        stopping.set()
        clock = threading.Timer(last_resort, _leave)
        clock.daemon = True
        clock.start()
        soon(on_stop)

    for number in STOP:
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, lambda _number, _frame: soon(on_reread))


def _leave() -> None:
    logger.error("something did not end in time; leaving without it")
    logging.shutdown()
    os._exit(0)
