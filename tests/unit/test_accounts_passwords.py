"""Argon2id at the cost that was chosen, and never more than four hashes at once."""

import re
import subprocess
import sys
import threading

import argon2
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password

from apps.accounts import passwords


def test_the_hash_is_argon2id_at_19_mib() -> None:
    encoded = make_password("secret words")
    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert check_password("secret words", encoded)
    assert not check_password("secret word", encoded)


def test_it_is_the_hash_that_others_make() -> None:
    encoded = make_password("sécret words")
    assert argon2.PasswordHasher().verify(encoded.removeprefix("argon2"), "sécret words")
    assert Argon2PasswordHasher().verify("sécret words", encoded)


def test_a_hash_of_another_cost_is_still_theirs_and_made_anew() -> None:
    encoded = Argon2PasswordHasher().encode("secret words", "salt and salt and salt")
    assert "m=102400,t=2,p=8" in encoded
    again: list[str] = []
    assert check_password("secret words", encoded, setter=again.append)
    assert again == ["secret words"]
    assert not check_password("secret word", encoded)


def test_its_memory_is_handed_on_while_somebody_signs_in_and_given_back_after() -> None:
    with passwords.gate():
        encoded = make_password("secret words")
        (memory,) = passwords._spare
        assert check_password("secret words", encoded)
        assert passwords._spare == [memory]
    assert passwords._spare == []


def test_what_is_looked_at_for_nobody_is_made_as_everybody_s() -> None:
    """So that it takes as long: of the same cost, and nothing about it is refused before."""
    theirs = re.sub(r"\$[^$]{30}\$[^$]{43}\Z", f"${'A' * 30}${'A' * 43}", make_password("secret words"))
    assert theirs == passwords.NOBODYS


@pytest.mark.parametrize("method", ["encode", "verify"])
def test_four_hashes_at_once_at_most(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started, go_on = threading.Semaphore(0), threading.Event()

    def hash_slowly(*_: object) -> bytes:
        started.release()
        go_on.wait(timeout=30)
        return b""

    monkeypatch.setattr(passwords._Memory, "hash", hash_slowly)
    hash_one = getattr(passwords.Argon2Hasher(), method)
    threads = [threading.Thread(target=hash_one, args=("a", passwords.NOBODYS)) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert all(started.acquire(timeout=30) for _ in threads)
    assert not passwords._slots.acquire(blocking=False)  # a fifth would have to wait
    go_on.set()
    for thread in threads:
        thread.join(timeout=30)
    assert passwords._slots.acquire(blocking=False)
    passwords._slots.release()


# Eight threads hash twice each, as those of a web process do; what the process holds more afterwards, in MiB.
HASHING = """
import resource, threading
from pathlib import Path
from apps.accounts.passwords import Argon2Hasher

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20

def hash_twice():
    for _ in range(2):
        encoded = Argon2Hasher().encode("secret words", "salt and salt")
        assert Argon2Hasher().verify("secret words", encoded)

before = held()
threads = [threading.Thread(target=hash_twice) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(held() - before)
"""


def test_a_thread_that_hashed_gives_its_memory_back() -> None:
    done = subprocess.run([sys.executable, "-c", HASHING], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40
