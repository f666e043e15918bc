"""Argon2id at a memory cost that survives many logins at once."""

import ctypes
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from django.contrib.auth.hashers import Argon2PasswordHasher, check_password
from nacl.exceptions import InvalidkeyError
from nacl.pwhash import argon2id

if TYPE_CHECKING:
    from apps.accounts.models import User

AT_ONCE = 4
_slots = threading.BoundedSemaphore(AT_ONCE)
gate = threading.BoundedSemaphore(AT_ONCE)
"""Around a whole sign-in: what waits for a slot has taken no place of `attempts` yet, or many right passwords at once from one
address would look like many wrong ones."""
_MMAP_THRESHOLD = -3  # malloc.h of glibc

# Once a large block was freed, glibc takes the next ones from the thread's own heap, which keeps them: every thread that ever
# hashed a password would hold 19 MiB for good. A threshold that is set stays: what is larger goes back to the system.
with suppress(AttributeError):  # another C library, with other habits
    ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 1 << 20)


class Argon2Hasher(Argon2PasswordHasher):
    """19 MiB, two passes, one lane: the first choice of OWASP's Password Storage Cheat Sheet (section Argon2id).

    At most AT_ONCE hashes are computed at the same moment in one process, so that logins cost 76 MiB at most. libsodium looks
    whether a password is right, in half the time: it has its memory from the system in one piece, and uses the wide registers of
    the processor that it runs on. It cannot make our hashes, as its salts are shorter than Django's.
    """

    memory_cost = 19456
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _slots:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _slots:
            return _right(password.encode(), encoded.removeprefix("argon2").encode())


def _right(password: bytes, encoded: bytes) -> bool:
    try:
        return argon2id.verify(encoded, password)
    except InvalidkeyError:
        return False


# What no password is known to make; looking at it takes as long as looking at anybody's.
NOBODYS = f"argon2$argon2id$v=19$m={Argon2Hasher.memory_cost},t={Argon2Hasher.time_cost},p=1${'A' * 30}${'A' * 43}"


def check(password: str, user: "User | None") -> bool:
    """Whether it is this person's. Takes the same time for nobody, and for somebody without a password."""
    if user is not None and user.has_usable_password():
        return user.check_password(password)
    check_password(password, NOBODYS)
    return False
