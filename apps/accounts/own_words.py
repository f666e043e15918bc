"""Passwords made of what everybody here can see (ASVS 6.2.11): the product, the host, the person's own names."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from sokoul.env import ENV

# Of the product, and what people put beside a name so that it may pass for a password.
WORDS = ("sokoul", "password", "passwort", "motdepasse", "admin", "welcome", "bienvenue", "letmein", "qwerty", "azerty")
SHORTEST = 3  # a word of fewer letters says nothing
ENOUGH = 4  # letters that have to be left once the words are taken out


class OwnWordsValidator:
    """Refuses what is little more than such words, whatever digits and signs stand around them: `Alice-2024!`, `sokoul.sokoul`."""

    def validate(self, password: str, user: Any = None) -> None:
        whole = rest = _letters(password)
        for word in sorted(self._words(user), key=len, reverse=True):
            rest = rest.replace(word, "")
        if rest != whole and len(rest) < ENOUGH:
            raise ValidationError(
                _("This is easy to guess: it is made of your name, your address or Sokoul's. Choose something else."),
                code="password_of_own_words",
            )

    def get_help_text(self) -> str:
        return ""

    def _words(self, user: Any) -> Iterator[str]:
        texts = [*WORDS, *_labels(urlsplit(ENV.address).hostname or "")]
        if user is not None:
            local, _at, domain = user.email.rpartition("@")
            texts += [user.username, local, *re.split(r"\W|_", f"{user.username} {local}"), *_labels(domain)]
        for text in texts:
            if len(word := _letters(text)) >= SHORTEST:
                yield word


def _labels(host: str) -> list[str]:
    """Without the last one: `com` is part of many good words."""
    return host.split(".")[:-1] or [host]


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalpha())
