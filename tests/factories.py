"""Rows for tests, made cheaply and with sensible contents; every argument may be overridden."""

import functools
import itertools
from typing import Any

from apps.accounts.models import User

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


@functools.cache
def hashed(password: str = PASSWORD) -> str:
    """Argon2 is slow on purpose: once a session is enough."""
    from django.contrib.auth.hashers import make_password

    return make_password(password)


def make_user(username: str = "", **fields: Any) -> User:
    """A saved account whose password is PASSWORD."""
    username = username or f"user{next(_numbers)}"
    return User.objects.create(
        **{"email": f"{username}@example.com", "username": username, "password": hashed(), **fields}
    )
