"""Argon2id at a memory cost that survives many logins at once."""

import threading

from django.contrib.auth.hashers import Argon2PasswordHasher

AT_ONCE = 4
_slots = threading.BoundedSemaphore(AT_ONCE)


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
