"""Stands in for manage.py's long-lived commands, so that the supervisor can be tested in tenths of a second.

Each notes its start and its orderly end in DATA_DIR/diary, one word pair a line; `serve` answers /health as the web does.
"""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

NAME = sys.argv[1]
DIARY = Path(os.environ["DATA_DIR"]) / "diary"


def note(what: str) -> None:
    with DIARY.open("a") as diary:
        diary.write(f"{NAME} {what}\n")


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


def serve(port: int) -> HTTPServer:
    server = HTTPServer(("127.0.0.1", port), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    note("started")
    if NAME == "setup":
        print("the admin's password is shown once")
        print(json.dumps({"level": "INFO", "message": "tables made"}))
        return
    if NAME == "serve":
        serve(int(os.environ["PORT"]))
    if NAME == "demo":
        serve(int(sys.argv[sys.argv.index("--port") + 1]))
    print(json.dumps({"level": "INFO", "message": f"{NAME} is quiet"}))
    print(json.dumps({"level": "WARN", "message": f"{NAME} is loud"}), flush=True)
    signal.sigwait({signal.SIGTERM})
    note("stopped")


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
main()
