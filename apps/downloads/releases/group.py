"""Who made the release: the group's name, by the places in which the field writes it."""

import re

from apps.downloads.releases.clean import is_site
from apps.downloads.releases.vocabulary import (
    CHECKSUM,
    LANGUAGE_WORDS,
    RESOLUTION_WORD,
    is_compound,
    is_tag,
    is_technical,
)

# What posters and indexers hang behind the group.
_REPOST = re.compile(
    r"(?:[-.\s](?:RP|[xX]post|postbot|NZBgeek|Obfuscat(?:ed|ion)|Scrambled|sample|Pre|AsRequested|AlternativeToRequested|BUYMORE"
    r"|GEROV|Z0iDS3N|Chamele0n|4P(?:lanet)?|AlteZachen|RePACKPOST|WhiteRev|Rakuv\w*)|-1)+$",
    re.IGNORECASE,
)
# Groups that do not tie their name on with a dash or a bracket.
_BARE = re.compile(
    r"[\s._-](KRaLiMaRKo|BluDragon|D-Z0N3|E\.N\.D|TAoE|QxR|TMd|HQMUX|YIFY|Eml HDTeam|BEN THE MEN|LMain|Tigole(?=\)))\)?$"
)
_SUBS = re.compile(r"\[(?:soft|hard)subs? \(([^)]+)\)\]", re.IGNORECASE)
_LEADING = re.compile(r"^\s*\[\s*([^\[\]]{1,60}?)\s*\][\s._-]*")
# “[TITLE].2007.1080p”: a title in brackets, as its year follows at once.
_BOXED_TITLE = re.compile(r"\[[^\[\]]+\](?:\.|\s*[\[(])(?:19|20)\d\d(?:[.)\]]|$)")
_BRACKET = re.compile(r"[\s._-]*[\[({]\s*([^\[\](){}]*?)\s*[\])}]?[\])}]\s*$")
# Without a dash only where nothing but the group can follow: the codec, or the number of channels.
_AFTER_CODEC = re.compile(r"\.(?:[xh]\.?26[456]|avc|hevc|xvid|\d\.\d)\.([^\W\d_]\w*(?:-\w+)*)$", re.IGNORECASE)
_AFTER_BRACKET = re.compile(r"[\])][ .]?-?[ .]?([^\W_][\w-]*)$")
_SPACED_DASH = re.compile(r"([^\s._\[\]()]+)[\])]?[ .]-[ .]?([^\s.\[\](){}]+)$")
_UNKNOWN_DASH = re.compile(r"([\s.])[^\s.-]+-([^\W_]\w+)$")
_BY = re.compile(r"\sby\s([^\W_]\w+)$")
_ANY_BRACKET = re.compile(r"[\[\](){}]")
_TIED_BRACKET = re.compile(r"\.?-[\[({]\S+$")
_CODEC = re.compile(r"[xh]?26[3-6]|xvid|divx|avc|hevc|av1", re.IGNORECASE)
_SPLIT = re.compile(r"[\s._\[\](){}/,+]+")
_NAME = re.compile(r"-?[^\W_][\w.'!@&+-]{0,40}")


def split_group(text: str) -> tuple[str | None, str]:
    """The group, or None, and the text without it."""
    subs = _SUBS.search(text)
    leading, rest = _leading(text)
    trailing, shorter = _trailing(_REPOST.sub("", rest))
    trailing = _REPOST.sub("", trailing) if trailing else None  # before a site's name, too
    if subs:
        return subs.group(1), rest
    if leading and not (trailing and is_site(leading)):
        return leading, rest
    return trailing, shorter


def _leading(text: str) -> tuple[str | None, str]:
    """The group in the bracket in front; brackets of tags behind it go to the end, where tags belong."""
    found = _LEADING.match(text)
    if found is None or found.end() == len(text) or _all_tags(found[1]) or _BOXED_TITLE.match(text):
        return None, text
    rest = text[found.end() :]
    while (tags := _LEADING.match(rest)) is not None and tags.end() < len(rest) and _all_tags(tags[1]):
        rest = f"{rest[tags.end() :]} [{tags[1]}]"
    return found[1], rest


def _all_tags(text: str) -> bool:
    return all(_tagged(word) for word in _words(text))


def _trailing(text: str) -> tuple[str | None, str]:
    text = text.rstrip(" .")
    if (bare := _BARE.search(text)) is not None:
        return bare.group(1), text[: bare.start()]
    return _bracketed(text) or _dashed(text) or _loose(text) or (None, text)


def _words(text: str) -> list[str]:
    return [word for word in _SPLIT.split(text) if word.strip("-")]


def _has_technical(text: str) -> bool:
    return any(is_technical(part) for word in _words(text) for part in word.split("-")) or _numbered(text)


def _numbered(text: str) -> bool:
    return re.search(r"\bS\d+E?\d*|\d+x\d+", text, re.IGNORECASE) is not None


def _bracketed(text: str) -> tuple[str, str] | None:
    """A group in the last bracket that is not all tags: alone in it, or behind tags."""
    end = len(text)
    for _ in range(8):
        found = _BRACKET.search(text[:end])
        if found is None or found.start() == 0:
            return None
        before, after = text[: found.start()], text[end:]
        if _TIED_BRACKET.match(found.group()) and found[1] and not _all_tags(found[1]):
            return found[1], before
        words = [word for part in _spaced(found[1]).split() if (word := part.strip(",+/&|"))]
        if not all(_tagged(word) for word in words):
            return _dashed(before) or _in_bracket(words, before, found, after)
        end = found.start()
    return None


def _spaced(inside: str) -> str:
    """The inside of a bracket with spaces between its words, also where the whole name has dots for them."""
    dotted = " " not in inside and inside.count(".") > 1 and any(map(is_technical, inside.split(".")))
    return inside.replace(".", " ") if dotted else inside


def _tagged(word: str) -> bool:
    return is_tag(word) or all(is_tag(part) for part in re.split(r"[-.:+/&]", word) if part)


def _in_bracket(words: list[str], before: str, found: re.Match[str], after: str) -> tuple[str, str] | None:
    last = words[-1]
    if _tagged(last) or not _NAME.fullmatch(last.strip("-")) or (is_site(last) and not last.isupper()):
        return None
    if len(words) == 1:
        return (last, before + after) if _has_technical(before) else None
    if sum(_tagged(word) for word in words[:-1]) * 2 <= len(words) - 1:
        return None
    head, _, name = last.rpartition("-")
    return name if is_technical(head) else last, f"{before} ({' '.join(words[:-1])}){after}"


def _dashed(text: str) -> tuple[str, str] | None:
    """A group tied on with a dash: XviD-GROUP, 5.1-GROUP-PART."""
    text = text.rstrip(" .'\"")
    spot = len(text)
    for _ in range(4):
        spot = text.rfind("-", 0, spot)
        if spot <= 0:
            return None
        left, right = text[:spot], text[spot + 1 :]
        if left[-1:] != " " and right[:1] not in {" ", "."} and (name := _tied(left, right)):
            return name, left.rstrip(".-")
    return None


def _tied(left: str, right: str) -> str | None:
    """The group in what a dash ties to a tag; None where the dash is inside a tag or a title."""
    words, previous = _words(right), (_words(left)[-1:] or [""])[0]
    last = previous.split("-")[-1]
    if not words or _ANY_BRACKET.search(right) or not (_tagged(previous) or is_technical(last)):
        return None
    if is_compound(last, words[0].split("-")[0]) or not _has_technical(left):
        return None
    if " " in right:
        return right if is_technical(last) and len(words) <= 3 and not any(map(is_tag, words)) else None
    if len(words) > 1 and not _NAME.fullmatch(right.replace(".", " ")):
        return words[0] if all(map(_tagged, words[1:])) and not _tagged(words[0]) else None
    return right if _NAME.fullmatch(right) and _can_name(last, right) else None


def _can_name(previous: str, word: str) -> bool:
    """Whether a word tied to a tag names a group although it may look like a tag itself: x264-BD, XviD-AR, x264-666."""
    if RESOLUTION_WORD.fullmatch(word) or word.lower() in LANGUAGE_WORDS:
        return False
    if word.isdigit():
        return len(word) > 2 and is_technical(previous)
    if is_technical(word):
        return _CODEC.fullmatch(previous) is not None
    return not is_tag(word) or is_technical(previous)


def _loose(text: str) -> tuple[str, str] | None:
    """Places that need more care: behind a spaced dash, a bracket of tags, a codec, “by”, or an unknown word."""
    if (found := _SPACED_DASH.search(text)) and _is_sound(text[: found.end(1)], found[1]) and _free(found[2]):
        return found[2], text[: found.end(1)]
    for pattern in (_AFTER_BRACKET, _AFTER_CODEC, _BY):
        if (found := pattern.search(text)) and _free(found[1]) and _has_technical(text[: found.start(1)]):
            return found[1], text[: found.start(1)]
    if (found := _UNKNOWN_DASH.search(text)) and _free(found[2]):
        before = (_words(text[: found.start()])[-1:] or [""])[0]
        if is_technical(before):
            whole = found.start() + 1 if found[1] == "." else found.start(2)
            return text[whole:], text[:whole].rstrip(".-")
    return None


def _is_sound(text: str, word: str) -> bool:
    """Whether the word is a technical tag, or the channels at the end of the text."""
    return is_technical(word) or (word.isdigit() and re.search(r"\d[. ]\d$", text) is not None and _has_technical(text))


def _free(word: str) -> bool:
    return not _tagged(word) and not CHECKSUM.fullmatch(word)
