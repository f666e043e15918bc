"""Django's SECRET_KEY as a ring that is read again while we run: the first signs, all verify (SPEC 4).

Django reads the setting once and hands the same objects on to sessions, cookies, messages and links in mails. It passes every
key through force_bytes(), and says that everybody has to; that asks `str()` of it, each time. So these objects answer for now.
"""

import functools
import hashlib
import secrets
from collections.abc import Iterator

from sokoul import env

_UNSET = (secrets.token_hex(32),)  # of a command that needs no secret; no process that serves gets here without


@functools.lru_cache(maxsize=4)
def _derived(ring: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(derived(key) for key in ring)


def derived(secret: str) -> str:
    """The key that is made of a secret of the ring."""
    return hashlib.sha256(b"sokoul sessions:" + secret.encode()).hexdigest()


def ring() -> tuple[str, ...]:
    """The keys of now, from SECRET_KEY, else from JWT_SECRET."""
    return _derived(env.secrets_of("SECRET_KEY") or env.secrets_of("JWT_SECRET") or _UNSET)


class First(str):
    """The key that signs."""

    def __str__(self) -> str:
        return ring()[0]


class Others(list[str]):
    """Those that only verify. What they were when the process began is in the list itself."""

    def __iter__(self) -> Iterator[str]:
        return iter(ring()[1:])
