"""Every text for people has its French: nothing missing, nothing left over, no gap lost, and the compiled catalogue in step.

The sources are read here, by Python's and Django's own parsers, so that the build fails without any tool of gettext's.
"""

import ast
import gettext
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import polib
import pytest
from django.utils.translation.template import templatize

ROOT = Path(__file__).parents[2]
BOT = ROOT / "apps/bot"
# What a catalogue serves; the bot's own stands beside it.
CATALOGUES = {ROOT / "locale": [ROOT / "apps", ROOT / "sokoul", ROOT / "templates"], BOT / "locale": [BOT]}
SINGLE, PLURAL = {"_", "gettext", "gettext_lazy", "gettext_noop"}, {"ngettext", "ngettext_lazy"}
CONTEXT = {"pgettext", "pgettext_lazy"}
COMPILE = "run: msgfmt -o django.mo django.po"
# What no line may break, in French: a space before these signs, and within the quotation marks.
LOOSE = re.compile("\\S [:;!?]|«(?!\u00a0)|(?<!\u00a0)»")
GAP = re.compile(r"%\(\w+\)[sd]|%%|(?<!%)%[sd]|\{\w+\}|(?<!\w)/[a-z]\w+\b")
Text = tuple[str, str, str]  # English, its plural or "", its context or ""
catalogues = pytest.mark.parametrize("locale", CATALOGUES, ids=lambda path: str(path.relative_to(ROOT)))


def of_python(source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if name not in SINGLE | PLURAL | CONTEXT:
            continue
        assert isinstance(node, ast.Call)
        texts = [part.value if isinstance(part, ast.Constant) else None for part in node.args]
        assert isinstance(texts[0], str), f"line {node.lineno}: only a literal can be translated"
        context = texts.pop(0) if name in CONTEXT else ""
        yield (str(texts[0]), str(texts[1]) if name in PLURAL else "", str(context))


def of_template(source: str) -> Iterator[Text]:
    """Django turns a template into calls with everything around them crossed out; each call stands for itself."""
    calls = r"""\b(?:[np]?gettext|_)\((?:\s*u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"),?)+[^)]*\)"""
    for call in re.findall(calls, templatize(source)):
        yield from of_python(call)


@cache
def sources(locale: Path) -> frozenset[Text]:
    found: set[Text] = set()
    for folder in CATALOGUES[locale]:
        for file in folder.rglob("*.*"):
            if locale.parent != BOT and file.is_relative_to(BOT):
                continue
            if file.suffix == ".py" and "migrations" not in file.parts and "demo" not in file.parts:
                found |= set(of_python(file.read_text()))
            elif file.suffix == ".html":
                found |= set(of_template(file.read_text()))
    return frozenset(found)


@cache
def french(locale: Path) -> polib.POFile:
    return polib.pofile(str(locale / "fr/LC_MESSAGES/django.po"))


def identity(entry: polib.POEntry) -> Text:
    return (entry.msgid, entry.msgid_plural, entry.msgctxt or "")


def words(entry: polib.POEntry) -> list[tuple[str, str]]:
    """(English, French) for each form."""
    if not entry.msgid_plural:
        return [(entry.msgid, entry.msgstr)]
    return [(entry.msgid_plural, text) for text in entry.msgstr_plural.values()]


def test_the_sources_are_found() -> None:
    assert set(of_python("_('a'); ngettext('%d b', '%d bs', 2); other('c'); gettext_lazy('d' 'e')")) == {
        ("a", "", ""),
        ("%d b", "%d bs", ""),
        ("de", "", ""),
    }
    page = """{% load i18n %}<p title="{% translate "It's" %}">{% blocktranslate with n=x %}A {{ n }}{% endblocktranslate %}
    {% blocktranslate count c=x %}one{% plural %}{{ c }} many{% endblocktranslate %} {% translate 'b' context "c" as d %}"""
    assert set(of_template(page)) == {
        ("It's", "", ""),
        ("A %(n)s", "", ""),
        ("one", "%(c)s many", ""),
        ("b", "", "c"),
    }


@catalogues
def test_every_text_is_translated_and_nothing_else_is(locale: Path) -> None:
    wanted, known = sources(locale), {identity(entry) for entry in french(locale)}
    assert len(wanted) > 60
    assert wanted - known == set(), f"without French: add them to {locale.relative_to(ROOT)}, then {COMPILE}"
    assert known - wanted == set(), "nobody says this any more: remove it"
    assert french(locale).fuzzy_entries() == french(locale).obsolete_entries() == []
    assert len(known) == len(list(french(locale))), "translated twice"


@catalogues
def test_every_translation_is_whole(locale: Path) -> None:
    assert french(locale).metadata["Plural-Forms"] == "nplurals=2; plural=(n > 1);"
    for entry in french(locale):
        assert not entry.msgid_plural or set(entry.msgstr_plural) == {0, 1}, entry.msgid
        for english, text in words(entry):
            assert text.strip(), f"no French for {english!r}"
            assert sorted(GAP.findall(text)) == sorted(GAP.findall(english)), f"other gaps in {text!r}"


@catalogues
def test_no_line_breaks_before_a_sign(locale: Path) -> None:
    loose = [text for entry in french(locale) for _, text in words(entry) if LOOSE.search(text)]
    assert not loose, "these want U+00A0 before : ; ! ? » and after «"


@catalogues
def test_the_compiled_catalogue_is_that_of_the_source(locale: Path) -> None:
    with (locale / "fr/LC_MESSAGES/django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    written = {}
    for entry in french(locale):
        forms = entry.msgstr_plural if entry.msgid_plural else {None: entry.msgstr}
        name = f"{entry.msgctxt}\x04{entry.msgid}" if entry.msgctxt else entry.msgid
        written |= {name if form is None else (name, form): text for form, text in forms.items()}
    assert written == {key: text for key, text in compiled.items() if key}, COMPILE
