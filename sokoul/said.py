"""A sentence for people that is known in every language: made where it is known why, kept beside what it is about, read by each
in theirs."""

from collections.abc import Callable, Iterable, Mapping

from django.conf import settings
from django.utils.translation import get_language, override


class Said(str):
    """The sentence in the language in which it was said; `texts` has it in all: {"en": …, "fr": …}."""

    __slots__ = ("texts",)
    texts: dict[str, str]

    def __new__(cls, text: str, texts: Mapping[str, str]) -> "Said":
        made = super().__new__(cls, text)
        made.texts = dict(texts)
        return made


def said(words: Callable[[], str]) -> Said:
    """`words` gives them in the language that is active, and is asked once for each. What they quote goes through `here`."""
    return all_said(lambda: [words()])[0]


def all_said(words: Callable[[], list[str]]) -> list[Said]:
    """Several at once; there are as many in each language."""
    found = {}
    for language, _ in settings.LANGUAGES:
        with override(language):
            found[language] = [str(text) for text in words()]
    now = found.get(get_language() or "", found[settings.LANGUAGES[0][0]])
    return [Said(text, {language: texts[at] for language, texts in found.items()}) for at, text in enumerate(now)]


def joined(parts: Iterable[str]) -> Said:
    """One after the other, with a space between them."""
    found = [part for part in parts if part]
    return said(lambda: " ".join(map(here, found)))


def here(text: str) -> str:
    """In the language that is active, where it is known in that."""
    return str(text.texts.get(get_language() or "", text)) if isinstance(text, Said) else text


def texts_of(text: str) -> dict[str, str]:
    """To be stored beside it; nothing of a text that nobody can tell in other languages."""
    return dict(text.texts) if isinstance(text, Said) else {}


def changed(text: str, change: Callable[[str], str]) -> str:
    """The same done to it in every language."""
    if not isinstance(text, Said):
        return change(text)
    return Said(change(str(text)), {language: change(one) for language, one in text.texts.items()})
