"""Argon2id at a memory cost that survives many logins at once."""

import base64
import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from argon2 import Parameters
from argon2.exceptions import HashingError
from argon2.low_level import core, error_to_str, ffi
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password
from django.utils.crypto import constant_time_compare

if TYPE_CHECKING:
    from apps.accounts.models import User

AT_ONCE = 4
_slots = threading.BoundedSemaphore(AT_ONCE)
_gate = threading.BoundedSemaphore(AT_ONCE)
_lock = threading.Lock()
_here = 0  # threads that hash, or are about to
_HUGE = 2 << 20  # bytes of a huge page
_KIB = 1024


class Argon2Hasher(Argon2PasswordHasher):
    """19 MiB, two passes, one lane: the first choice of OWASP's Password Storage Cheat Sheet (section Argon2id).

    At most AT_ONCE hashes are computed at the same moment in one process, so that logins cost 80 MiB at most.
    """

    memory_cost = 19456  # KiB
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        params: Parameters = self.params()
        digest = _hash(password.encode(), salt.encode(), params)
        cost = f"m={params.memory_cost},t={params.time_cost},p={params.parallelism}"
        return f"argon2$argon2id$v={params.version}${cost}${_text(salt.encode())}${_text(digest)}"

    def verify(self, password: str, encoded: str) -> bool:
        decoded = self.decode(encoded)
        params: Parameters = self.params()
        params.salt_len = decoded["params"].salt_len  # of no account: the salt is given
        if decoded["params"] != params:  # made at another cost
            with _slots:
                return super().verify(password, encoded)
        digest = _hash(password.encode(), decoded["salt"].encode("latin-1"), params)
        return constant_time_compare(_text(digest), decoded["hash"])


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


class _Memory:
    """Room for one hash at a time, in huge pages where the system has them.

    To have it anew from the system for each hash costs a third of the hash, and holds up all other threads meanwhile.
    """

    def __init__(self) -> None:
        size = Argon2Hasher.memory_cost * _KIB
        self._map = mmap.mmap(-1, size + _HUGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(AttributeError, OSError):  # a system without them
            self._map.madvise(mmap.MADV_HUGEPAGE)
        address = int(ffi.cast("uintptr_t", ffi.from_buffer(self._map)))
        start = ffi.cast("uint8_t *", address + -address % _HUGE)

        def allocate(memory: Any, wanted: int) -> int:
            memory[0] = start
            return 0 if wanted <= size else -1

        self._allocate = ffi.callback("int(uint8_t **, size_t)", allocate, error=-1)
        self._free = ffi.callback("void(uint8_t *, size_t)", lambda _memory, _size: None)

    def hash(self, password: bytes, salt: bytes, params: Parameters) -> bytes:
        """RFC 9106's tag for Argon2id, `params.hash_len` bytes of it. Raises HashingError."""
        tag = ffi.new("uint8_t[]", params.hash_len)
        given = ffi.new("uint8_t[]", password), ffi.new("uint8_t[]", salt)  # kept while the context points to them
        context = ffi.new(
            "argon2_context *",
            {
                "out": tag,
                "outlen": params.hash_len,
                "pwd": given[0],
                "pwdlen": len(password),
                "salt": given[1],
                "saltlen": len(salt),
                "t_cost": params.time_cost,
                "m_cost": params.memory_cost,
                "lanes": params.parallelism,
                "threads": params.parallelism,
                "version": params.version,
                "allocate_cbk": self._allocate,
                "free_cbk": self._free,
            },
        )
        if failure := core(context, params.type.value):
            raise HashingError(error_to_str(failure))
        return bytes(ffi.buffer(tag, params.hash_len))


_spare: list[_Memory] = []


@contextmanager
def _kept() -> Iterator[None]:
    """Who hashes takes over the memory of who did before; the last to leave gives it back to the system."""
    global _here
    with _lock:
        _here += 1
    try:
        yield
    finally:
        with _lock:
            _here -= 1
            if not _here:
                _spare.clear()


def _hash(password: bytes, salt: bytes, params: Parameters) -> bytes:
    with _kept(), _slots:
        with _lock:
            memory = _spare.pop() if _spare else None
        memory = memory or _Memory()
        try:
            return memory.hash(password, salt, params)
        finally:
            _spare.append(memory)


@contextmanager
def gate() -> Iterator[None]:
    """Around a whole sign-in: what waits for a slot has taken no place of `attempts` yet, or many right passwords at once from
    one address would look like many wrong ones."""
    with _kept(), _gate:
        yield


# What no password is known to make; looking at it takes as long as looking at anybody's.
NOBODYS = f"argon2$argon2id$v=19$m={Argon2Hasher.memory_cost},t={Argon2Hasher.time_cost},p=1${'A' * 30}${'A' * 43}"


def check(password: str, user: "User | None") -> bool:
    """Whether it is this person's. Takes the same time for nobody, and for somebody without a password."""
    if user is not None and user.has_usable_password():
        return user.check_password(password)
    check_password(password, NOBODYS)
    return False
