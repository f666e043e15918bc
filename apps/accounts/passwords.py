"""Argon2id at a memory cost that survives many logins at once."""

import ctypes
import threading
from contextlib import suppress

from django.contrib.auth.hashers import Argon2PasswordHasher

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

    At most AT_ONCE hashes are computed at the same moment in one process, so that logins cost 76 MiB at most.
    """

    memory_cost = 19456
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _slots:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _slots:
            return super().verify(password, encoded)
