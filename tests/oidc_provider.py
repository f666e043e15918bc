"""A small OpenID Connect provider that speaks the real wire format, and lies where a test asks it to.

`provider.person` is who is signed in there. `approve(address)` does what a browser does: it opens the address that Sokoul sent it
to and presses the button; what comes back is the address that the browser is sent on to.
"""

import base64
import functools
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENT, SECRET = "sokoul-client", "a client's secret: 1/2+3"
ALGORITHMS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}


def _keys() -> dict[str, Any]:
    return {
        "RSA": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "EC": ec.generate_private_key(ec.SECP256R1()),
        "OKP": ed25519.Ed25519PrivateKey.generate(),
    }


@functools.cache
def _first_keys() -> dict[str, Any]:
    """Made once: a key takes a while."""
    return _keys()


class Provider:
    """Listens on a port of its own. Each `lie` is looked at when it is answered, so that a test may change its mind."""

    def __init__(self) -> None:
        self.keys, self.kid = _first_keys(), "key-1"
        self.person = {
            "sub": "248289761001",
            "email": "carol@example.com",
            "email_verified": True,
            "preferred_username": "carol",
        }
        self.algorithm = "RS256"
        self.methods = ["client_secret_basic"]
        self.claims_in_token = True
        self.change: Callable[[dict[str, Any]], None] = lambda claims: None  # what the ID token says
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.discovery: dict[str, Any] = {}  # said instead
        self.raw: dict[str, tuple[int, str, bytes]] = {}  # path: status, content type, body
        self.slow: dict[str, float] = {}  # path: seconds
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.released = threading.Event()
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/realm"

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def approve(self, address: str) -> str:
        parts = urlsplit(address)
        answer = httpx.post(f"{parts.scheme}://{parts.netloc}{parts.path}?{parts.query}", timeout=10)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def rotate(self) -> None:
        self.keys, self.kid = _keys(), f"key-{secrets.token_hex(2)}"

    def signed(self, claims: dict[str, Any]) -> str:
        key = self.keys[ALGORITHMS[self.algorithm]]
        return jwt.encode(claims, key, self.algorithm, headers={"kid": self.kid})

    def public_pem(self) -> bytes:
        pem: bytes = self.keys["RSA"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    # What it answers

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?ui=plain",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "token_endpoint_auth_methods_supported": self.methods,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(ALGORITHMS),
            **self.discovery,
        }

    def jwks(self) -> dict[str, Any]:
        made = {
            "RSA": jwt.algorithms.RSAAlgorithm,
            "EC": jwt.algorithms.ECAlgorithm,
            "OKP": jwt.algorithms.OKPAlgorithm,
        }
        entries = [json.loads(made[kind].to_jwk(key.public_key())) for kind, key in self.keys.items()]
        return {"keys": [{**entry, "kid": self.kid, "use": "sig"} for entry in entries]}

    def authorize(self, query: dict[str, str]) -> str:
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        answer = urlencode({"code": code, "state": query["state"], "iss": self.issuer})
        return f"{query['redirect_uri']}?{answer}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        access = secrets.token_urlsafe(16)
        self._tokens.add(access)
        hashed = (hashlib.sha512 if self.algorithm == "EdDSA" else hashlib.sha256)(access.encode()).digest()
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"], "sub": self.person["sub"],
            "at_hash": base64.urlsafe_b64encode(hashed[: len(hashed) // 2]).decode().rstrip("="),
            **(self.person if self.claims_in_token else {}),
        }  # fmt: skip
        self.change(claims)
        return 200, {"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": self.sign(claims)}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if "client_secret_basic" in self.methods:
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
            return [unquote_plus(part) for part in pair] == [CLIENT, SECRET]
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)

    def _handler(provider: "Provider") -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def log_message(self, *_: Any) -> None:
                pass

            def answer(self) -> None:
                parts = urlsplit(self.path)
                path = parts.path.removeprefix("/realm")
                provider.asked.append(path)
                if seconds := provider.slow.get(path):
                    provider.released.wait(seconds)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                form = {name: values[0] for name, values in parse_qs(body).items()}
                if path in provider.raw:
                    self.send(*provider.raw[path])
                elif path == "/.well-known/openid-configuration":
                    self.json(200, provider.metadata())
                elif path == "/keys":
                    self.json(200, provider.jwks())
                elif path == "/authorize" and self.command == "POST":
                    self.send(303, "text/plain", b"", Location=provider.authorize(query))
                elif path == "/authorize":
                    page = (
                        b"<!doctype html><title>Provider</title><form method=post><button>Yes, it is me</button></form>"
                    )
                    self.send(200, "text/html", page)
                elif path == "/token":
                    self.json(*provider.token(form, self.headers.get("Authorization", "")))
                elif path == "/userinfo":
                    known = self.headers.get("Authorization", "").removeprefix("Bearer ") in provider._tokens
                    self.json(200 if known else 401, provider.person if known else {})
                elif path == "/favicon.ico":
                    self.send(204, "image/png", b"")
                else:
                    self.send(404, "text/plain", b"")

            def json(self, status: int, data: Any) -> None:
                self.send(status, "application/json", json.dumps(data).encode())

            def send(self, status: int, kind: str, body: bytes, **headers: str) -> None:
                try:
                    self.send_response(status)
                    for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):  # who asked had no more patience
                    pass

        return Handler
