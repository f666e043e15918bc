"""The WSGI environ (PEP 3333) of an ASGI http scope."""

import sys
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from sokoul.server.asgi_types import Scope

Environ = dict[str, Any]
FILE_BLOCK = 64 * 1024


class FileBlocks:
    """`wsgi.file_wrapper`: a file in blocks large enough that the hop between thread and event loop does not count."""

    def __init__(self, file: IO[bytes], _block_size: int = 0) -> None:
        self._file = file
        # As PEP 3333 has it: the attribute exists if the file has one. Django puts its own `close` in place of the file's.
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(FILE_BLOCK), b"")


def environ_of(scope: Scope) -> Environ:
    """Everything but `wsgi.input`, which comes with the body. Strings are latin-1 decoded bytes, as PEP 3333 wants them."""
    host, port = scope.get("server") or ("localhost", 80)
    client_host, client_port = scope.get("client") or ("", "")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _latin(scope.get("root_path", "")),
        "PATH_INFO": _path_info(scope),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": str(client_host),
        "REMOTE_PORT": str(client_port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileBlocks,
    }
    _add_headers(environ, scope["headers"])
    return environ


def _add_headers(environ: Environ, headers: list[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        # `x_forwarded_for` and `x-forwarded-for` would be one variable: who can't set the one could set it by the other.
        if b"_" in raw_name:
            continue
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        if name in environ:
            value = f"{environ[name]}{'; ' if name == 'HTTP_COOKIE' else ','}{value}"
        environ[name] = value


def _latin(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _path_info(scope: Scope) -> str:
    raw = scope.get("raw_path")
    path = unquote_to_bytes(raw).decode("latin-1") if raw else _latin(scope["path"])
    root = _latin(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root) else path
