"""The languages of a release: sound, and subtitles where they are named as such."""

import re

from apps.downloads.releases.vocabulary import LANGUAGE_CODES, LANGUAGE_WORDS

# These are no word of another language either, so that they need no other language beside them.
_ALONE = {"FR", "ES", "PL", "CZ", "SK", "HU", "RU", "JA", "JP", "DK", "PT", "BG", "RO", "TR", "UA", "LV", "LT"}
# What a language stands before: “ES DTS-HD MA 5.1”.
_SOUND = {"AC", "DTS", "AAC", "DD", "DDP", "EAC", "TRUEHD", "FLAC", "DUB", "DUBBED", "AUDIO"}
_CHINESE = re.compile(r"[简繁]|[中国粤][文语語配字漫]|字幕|双语")
_WORD = re.compile(r"[^\W\d_]+\d?")
# Several tracks of one language: 2xUkr.
_TRACKS = re.compile(r"(?<![^\W_])\dx(?=[A-Za-z]{3})")
_FRENCH_SUBS = re.compile(r"(?<![^\W_])(?:VOSTFR|VOSTF|SUBFRENCH)(?![^\W_])", re.IGNORECASE)
_SUBTITLE = re.compile(r"(?:e|multi)?subs?|subtitles?|subbed|subtitulado|subtitulos", re.IGNORECASE)
_JOINED_SUBS = re.compile(r"([A-Za-z]{2,3})-?subs?", re.IGNORECASE)
_JOINED_DUB = re.compile(r"(?:dub(?:bed)?|lektor|lek)[ ._-]?(pl)|(pl)[ ._-]?(?:dub(?:bed)?|lek(?:tor)?)", re.IGNORECASE)
# Groups that release in one language and do not say so.
_BY_GROUP = {"videomann": "de"}
_MULTI = re.compile(r"\bmulti\d?\b|\bdual[ ._-]?(?:audio|áudio)?\b|\b\d?audio\b|\bmulti[ ._-]?audio\b", re.IGNORECASE)
_GERMAN_DUAL = re.compile(r"\b[DM]L\b")


def find_languages(tail: str, wide: str, group: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(spoken, subtitled) as ISO 639-1 codes in the order of their naming; tail holds the tags; wide is all behind the title."""
    spoken: dict[str, None] = {}
    subtitled: dict[str, None] = {}
    tail = _TRACKS.sub(" ", tail)
    words = list(_WORD.finditer(tail))
    codes = [_code(word.group()) for word in words]
    for index, word in enumerate(words):
        code = codes[index] or _short(tail, words, codes, index)
        if code is not None:
            target = subtitled if _is_subtitle(tail, words, codes, index) else spoken
            target.setdefault(code)
        elif (code := _joined_subtitle(word.group())) is not None:
            subtitled.setdefault(code)
    if _FRENCH_SUBS.search(tail):
        subtitled.setdefault("fr")
    if _JOINED_DUB.search(tail):
        spoken.setdefault("pl")
    if _CHINESE.search(wide):
        spoken.setdefault("zh")
    for name in (group or "").lower(), *(word.group().lower() for word in words):
        if name in _BY_GROUP:
            spoken.setdefault(_BY_GROUP[name])
    return tuple(spoken), tuple(subtitled)


def is_multi(tail: str, languages: tuple[str, ...]) -> bool:
    """Whether the release has several sound tracks: it says so, or names several languages, or German and DL."""
    return len(languages) > 1 or bool(_MULTI.search(tail) or ("de" in languages and _GERMAN_DUAL.search(tail)))


def _code(word: str) -> str | None:
    return LANGUAGE_WORDS.get(word.lower())


def _joined_subtitle(word: str) -> str | None:
    """The language of NLSubs, EngSub."""
    found = _JOINED_SUBS.fullmatch(word)
    return (_code(found[1]) or LANGUAGE_CODES.get(found[1].upper())) if found else None


def _short(tail: str, words: list[re.Match[str]], codes: list[str | None], index: int) -> str | None:
    """Two capitals are a language alone in a bracket, beside another language, before a sound format, or if unmistakable."""
    word = words[index].group()
    code = LANGUAGE_CODES.get(word)
    if code is None:
        return None
    before, after = tail[max(0, words[index].start() - 1)], tail[words[index].end() : words[index].end() + 1]
    boxed = before in "[(" and after in {"]", ")"}
    if boxed or word == "GB":
        return code if boxed else None
    beside = [words[i].group() for i in (index - 1, index + 1) if 0 <= i < len(words)]
    listed = any(other in LANGUAGE_CODES or _code(other) for other in beside)
    return code if listed or word in _ALONE or beside[-1].upper() in _SOUND else None


def _is_subtitle(tail: str, words: list[re.Match[str]], codes: list[str | None], index: int) -> bool:
    """Sub Ita, Eng Sub: next to the word, and not the end of a list of sound tracks."""
    after = words[index + 1] if index + 1 < len(words) else None
    if after is not None and _SUBTITLE.fullmatch(after.group()):
        gap = tail[words[index].end() : after.start()]
        listed = index > 0 and codes[index - 1] is not None
        return gap in {" ", ".", "_", "-"} and not listed
    for back in range(index - 1, -1, -1):
        if _SUBTITLE.fullmatch(words[back].group()):
            return tail[words[back].end() : words[back].end() + 1] in {" ", ".", "_", "-", ":"}
        if codes[back] is None:
            return False
    return False
