"""Starts the demo providers: options, the listening socket, the server."""

import argparse
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from sokoul.demo.app import Application

DEFAULT_RATE = 2_000_000
PR_SET_PDEATHSIG = 1  # prctl(2)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=4000, help="port to listen on; 0 for any free one (default: 4000)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--data-dir", type=Path, default=Path("var/demo"), help="where films and torrents are kept")
    parser.add_argument(
        "--rate", type=int, default=DEFAULT_RATE, help="bytes a second that each torrent uploads; 0 for no limit"
    )
    parser.add_argument("--lazy", action="store_true", help="render a film only when somebody looks for it")
    parser.add_argument("--parent", type=int, help="id of the process that starts this one: end when it ends")


def end_with(parent: int) -> None:
    """Have the kernel end this process with its parent, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(f"process {parent} is not the parent of this one, or has ended")


def run(host: str, port: int, data_dir: Path, rate: int, lazy: bool, parent: int | None = None) -> None:
    """Serve until SIGINT or SIGTERM. Prints the address as soon as connections are accepted."""
    if parent is not None:
        end_with(parent)
    data_dir = data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(128)
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        Application(data_dir, rate, not lazy),
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=30,
        server_header=False,
    )
    sys.stdout.write(f"Demo providers: http://{shown}:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises the signal again once it has stopped
        signal.signal(number, lambda *_: sys.exit(0))
    uvicorn.Server(config).run(sockets=[listener])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m sokoul.demo", description="Stand-ins for Sokoul's providers.")
    add_arguments(parser)
    options = parser.parse_args(arguments)
    run(options.host, options.port, options.data_dir, options.rate, options.lazy, options.parent)
