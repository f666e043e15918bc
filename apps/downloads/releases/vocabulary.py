"""The words of the field: what counts as a tag, so that it is neither title nor group."""

import re

# ISO 639-1 by the full words and three-letter codes that releases use.
LANGUAGE_WORDS: dict[str, str] = {
    word: code
    for code, words in {
        "en": "english eng ingles inglés anglais",
        "fr": "french truefrench fre fra vff vfq vfi vf vf2 vfqc francais français",
        "es": "spanish spa esp castellano español espanol latino espanhol espanol",
        "de": "german ger deu deutsch swissgerman",
        "it": "italian ita italiano",
        "pt": "portuguese por portugues português dublado ptbr brazilian",
        "ja": "japanese jap jpn jp",
        "zh": "chinese chi zho mandarin cantonese chs cht big5",
        "ko": "korean kor",
        "ru": "russian rus",
        "pl": "polish pol lektor lekpl pldub plsub dubpl pllek pld",
        "nl": "dutch nld dut flemish",
        "da": "danish dan",
        "sv": "swedish swe",
        "no": "norwegian nor",
        "fi": "finnish fin",
        "is": "icelandic isl ice",
        "cs": "czech cze ces",
        "sk": "slovak slo slk",
        "hu": "hungarian hun hundub",
        "ro": "romanian rum ron rodubbed",
        "bg": "bulgarian bul bgaudio",
        "el": "greek gre ell",
        "tr": "turkish tur",
        "he": "hebrew heb hebdubbed",
        "ar": "arabic ara",
        "fa": "persian farsi per",
        "hi": "hindi hin",
        "bn": "bengali ben",
        "ta": "tamil tam",
        "te": "telugu tel",
        "ml": "malayalam mal",
        "kn": "kannada kan",
        "mr": "marathi",
        "pa": "punjabi",
        "gu": "gujarati",
        "ur": "urdu",
        "th": "thai tha",
        "vi": "vietnamese vie",
        "id": "indonesian ind",
        "ms": "malay",
        "uk": "ukrainian ukr",
        "lv": "latvian lav",
        "lt": "lithuanian lit",
        "et": "estonian est",
        "hr": "croatian hrv",
        "sr": "serbian srp",
        "sl": "slovenian slv",
        "mk": "macedonian mkd",
        "sq": "albanian",
        "ka": "georgian",
        "ca": "catalan",
        "eu": "basque",
        "tl": "tagalog filipino",
        "af": "afrikaans",
        "mn": "mongolian",
        "az": "azerbaijani",
        "kk": "kazakh",
        "be": "belarusian",
    }.items()
    for word in words.split()
}

_TECHNICAL = (
    r"\d{3,4}[pi]|4k|8k|u?hd|sd|fhd|qhd|[xh][. ]?26[3456]|26[456]|avc|hevc|av1|vp9|x-?vid|divx|mpe?g-?[24]?|vc-?1"
    r"|(?:8|10|12)-?bits?|bits?|bit|hi10p?|10b|aac(?:[\d.]+)?|e?-?ac-?3|dd[p+]?a?(?:[\d.]+)?|dts(?:-?(?:hd|x|es|ma|hr[a]?))*|dtshd|hdma|true-?hd"
    r"|atmos|flac(?:[\d.]+)?|opus|l?pcm(?:[\d.]+)?|mp[23]|mpa[\d.]*|ogg|[1-9][. ][0-2](?:ch)?|[268]ch|ma|hra"
    r"|web(?:-?dl|-?rip|-?mux|hd|cap|-?dlrip|-?dlmux)?|dl|ml|rip|mux|[mu]?hd?blu-?ray|m?blu-?ray|blu|ray|bd(?:rip|mux|remux|light|25|50|66|100|iso)?|br-?rip"
    r"|u?hdbd(?:rip)?|remux|uhdremux|u?hdtv|hdtvrip|htdv|[dps]dtv|tvrip|dsr(?:ip)?|satrip|dvb|hdrip|hddvd(?:rip)?|dvd(?:rip|scr|r|[59]|mux)?|r5|ppv(?:rip)?"
    r"|(?:hd|hq)?cam(?:rip)?|(?:hd)?ts|telesync|telecine|hdtc|scr|screener|workprint"
    r"|hdr(?:10)?(?:\+|plus)?|plus|dv|dovi|sdr|hlg|hybrid|dual|audio|audios|áudio|\d?audio|multi\d*|multisubs?|softsubs?|hardsubs?|e?subs?|[a-z]{2,3}-?subs?|subbed|subtitles|subpack"
    r"|dub|dubs|dubbed|synced|vost(?:fr)?|vostf|subfrench|vo|proper|repack\d?|rerip|real|internal|int|limited|complete|completa|read\.?nfo|nfo|uncensored"
    r"|mkv|mp4|avi|m2ts|iso|raw|batch|extras|ws|fs|hr|nsd|3d|h?sbs|h?ou|open|matte|v\d|xxx|dc|se|doc|10bits|8bit"
    r"|amzn|nf|dsnp|hmax|max|atvp|pcok|hulu|cr|ip|itunes|it|netflix|amazon|all4|crav|pmtp|stan|bcore|ma|vmaj|anm|dsny|hbo|roku|tubi|muse|adn|b-global|bglobal"
    r"|untouched|retail|untouched|custom|hc|hardcoded|encode|x?vid|lossless|hq|line|aud(?:io)?s?|clean|ds4k|upscaled?|regraded|remastered"
)
_TECHNICAL_WORD = re.compile(rf"(?:{_TECHNICAL})", re.IGNORECASE)
_NUMBER_WORD = re.compile(
    r"\d{1,2}|s\d{1,4}(?:e\d{1,5})*(?:-?e?\d+)*|e\d{1,5}|\d{1,2}x\d{1,3}|(?:19|20)\d\d|v\d", re.IGNORECASE
)
_EDITION_WORD = re.compile(
    r"uncut|unrated|extended|theatrical|imax|remastered|criterion|restored|cut|edition|version", re.IGNORECASE
)
CHECKSUM = re.compile(r"[0-9A-Fa-f]{8}")
RESOLUTION_WORD = re.compile(r"\d{3,4}[pi]|4k", re.IGNORECASE)
# Two words that one dash ties into one tag.
_COMPOUND = re.compile(
    r"(?:web-(?:dl|rip|hdrip|mux)|dts-(?:hd|x|es|ma|hra?)|hd-ma|blu-ray|hd-dvd|e-ac-?3|ac-3|vc-1|mpeg-2|10-bits?|8-bits?|dual-audio"
    r"|pl-(?:dub|lek)|(?:dub|lek)-pl|\w+-\d{3,4}[pi]|\w+-4k|x-vid|hdr-10|br-rip|bd-rip|dvd-?r|dvd-5|dvd-9)",
    re.IGNORECASE,
)


def is_technical(word: str) -> bool:
    """Whether a word is a tag of the picture, the sound, the source or the release."""
    return _TECHNICAL_WORD.fullmatch(word) is not None


def is_tag(word: str) -> bool:
    """Whether a word is a tag of any sort: technical, a language, an edition, a number, a checksum."""
    return (
        is_technical(word)
        or word.lower() in LANGUAGE_WORDS
        or _NUMBER_WORD.fullmatch(word) is not None
        or _EDITION_WORD.fullmatch(word) is not None
        or CHECKSUM.fullmatch(word) is not None
    )


def is_compound(left: str, right: str) -> bool:
    """Whether left-right is one tag, such as WEB-DL."""
    return _COMPOUND.fullmatch(f"{left}-{right}") is not None
