"""The words of the field: what counts as a tag, so that it is neither title nor group."""

import re
from functools import lru_cache

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
        "pl": "polish pol lektor lek lekpl pldub plsub dubpl pllek pld",
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
        "bs": "bosnian",
        "rm": "romansh",
        "ne": "nepali",
        "si": "sinhala",
        "km": "khmer",
    }.items()
    for word in words.split()
}

# Two letters are a language only in capitals.
LANGUAGE_CODES: dict[str, str] = {
    "EN": "en", "FR": "fr", "ES": "es", "DE": "de", "IT": "it", "PT": "pt", "JA": "ja", "JP": "ja", "ZH": "zh", "KO": "ko",
    "RU": "ru", "PL": "pl", "NL": "nl", "DA": "da", "DK": "da", "SV": "sv", "SE": "sv", "NB": "no", "NO": "no", "FI": "fi",
    "IS": "is", "CS": "cs", "CZ": "cs", "SK": "sk", "HU": "hu", "RO": "ro", "BG": "bg", "EL": "el", "GR": "el", "TR": "tr",
    "HE": "he", "AR": "ar", "FA": "fa", "HI": "hi", "TH": "th", "VI": "vi", "UK": "uk", "UA": "uk", "LV": "lv", "LT": "lt",
    "ET": "et", "EE": "et", "HR": "hr", "SR": "sr", "SI": "sl", "CA": "ca", "CAT": "ca", "GB": "zh",
}  # fmt: skip

_PICTURE = r"""
    \d{3,4}[pi] [48]k u?hd sd f[us]?hd qhd \d{3,4}x\d{3,4} [xh]\.?26[3-6] 26[3-6] avc hevc av1 vp9 x-?vid divx
    mpe?g-?[24]? vc-?1 (?:8|10|12)-?bits? bits? hi10p? 10b hdr(?:10)?(?:\+|plus|p)? plus dv dovi dolby vision sdr
    hlg 3d (?:half|h)?-?sbs (?:half|h)?-?ou ws fs open matte imax ai upscaled? regraded? ds4k
"""
_SOUND = r"""
    (?:he-?)?aac[\d.]* e?-?ac-?3d? dd[p+]?a?[\d.]* dtsd? dts(?:-?(?:hd|x|es|ma|hra?))* dtshd-?ma hdma true-?hd
    atmos flac[\d.]* opus l?pcm[\d.]* mp[23] mpa[\d.]* ogg vorbis [1-9]\.[0-2](?:ch)? \dch ma hra? stereo mono
    dual multi\d* \d?-?audios? áudio aud auds lossless clean line dub dubs dubbed synced vo
"""
_ORIGIN = r"""
    web web-?(?:dl|rip|mux|hd|cap|dlrip|dlmux|hdrip) web-?uhd dl dlmux dlrip ml rip mux
    [mu]?(?:hd)?blu-?ray(?:rip|mux|\d{3,4}p)? blu ray bd(?:\d{3,4}p|rip|mux|remux|light|25|50|66|100|iso)?
    br-?rip(?:mux)? br-?mux bdripmux uhdbd(?:rip)? uhd2bd (?:bd|uhd)?remux [au]?hd-?tv(?:rip|mux|\d{3,4}p)? htdv uhd-?rip
    [dps]dtv tvrip dsr(?:ip)? satrip dvb(?:rip)? dth(?:rip)? hd-?rip hddvd(?:rip)? dvd(?:rip|scr|r|-r|[59]|mux)?
    ntsc pal r5 ppv(?:rip)? vhs(?:rip)? (?:hd|hq)?-?cam(?:rip)? (?:hd)?-?ts telesync telecine (?:hd)?tc scr
    screener workprint amazon[hs]d netflixu?hd itunesu?hd maxdomehd hbomaxhd disneyhd hybrid untouched retail
    encode
"""
_RELEASE = r"""
    multi-?subs? soft-?subs? hard-?subs? e?subs? (?:eng?|fre?|ger?|de|esp?|ita?|pt|pl|nl|ru|jp|kor?|ch[st])-?subs?
    (?:heb|ar|dk|se|no|fi|hu|cz|ro|gr|tr|swe|dan|nor)-?subs? subbed subtitles? subtitulado subpack sous-titres
    vost(?:fr)? vostf subfrench proper repack\d? rerip real internal int limited complete completa int[eé]grale?
    proof prooffix nfofix dirfix \d+kbps reencoded stv doku read\.?nfo nfo uncensored censored mkv mp4 avi m2ts
    iso wmv raws? batch extras v\d xxx dc se doc custom hc hardcoded hq nsd serie series season sample
    (?:imdb|tmdb|tvdb)(?:id)?-?\w*
"""
_SERVICE = r"""
    amzn nf dsnp hmax max atvp? pcok hulu cr ip it itunes netflix amazon all4 crav pmtp stan bcore anm dsny hbo
    roku tubi adn b-global disney\+? hotstar viki sho stz
"""
_NUMBER = r"""
    \d{1,2} s\d{1,4}(?:e\d{1,5})*(?:-?e?\d+)* ep?\d{1,5} \d{1,2}x\d{1,3} (?:19|20)\d\d cap\.?\d{3,4}(?:_\d{3,4})?
"""
_EDITION = r"""
    uncut unrated extended theatrical remastered criterion restored cut edition version fan-?edit directors?
    director's collectors? anniversary
"""


def any_of(*lists: str) -> str:
    """One alternative a word of the lists; “~” is an optional separator."""
    return "|".join(word.replace("~", "[ ._-]?") for words in lists for word in words.split())


_TECHNICAL_WORD = re.compile(any_of(_PICTURE, _SOUND, _ORIGIN, _RELEASE, _SERVICE), re.IGNORECASE)
_OTHER_WORD = re.compile(any_of(_NUMBER, _EDITION, "[0-9A-Fa-f]{8}"), re.IGNORECASE)
# What can be no part of a title, wherever it stands: the tags begin here at the latest.
_SURE_PICTURE = r"""
    \d{3,4}[pi](?:\d\d)? 4K UHD FHD \d{3,4}x\d{3,4} [xh]~26[456] HEVC AVC XviD X-viD DivX VC-?1 VP9 (?:8|10)~bits?
    (?:720|1080|2160)(?=[\s._-]+(?:[xh]~26|HEVC|WEB|Blu|BD|HDTV|AAC|DTS|Hi10))
"""
_SURE_SOURCE = r"""
    WEB~(?:DL|Rip|Mux|HD)\w* WEB(?=[\s._\])-]+(?:[xh]~26|\d{3,4}p|DD|AAC|DV|HDR|MULTI|AVC|HEVC)|\])
    [mu]?Blu~Ray\w* BD(?:25|50|66|100|ISO|\d{3,4}p) (?:UHD)?BD~(?:RipMux|Rip|Mux|Remux|Light) BRRip(?:Mux)? BRMux
    UHDBD\w* BD(?=~(?:\d{3,4}p|[\])]|x26)) (?:UHD)?Remux [AU]?HD~TV(?:Rip|Mux)? UHD~Rip [PS]DTV HTDV DSR(?:ip)? TVRip
    SAT~Rip DVB~Rip DTH~Rip VOD~Rip PPV~Rip WEB~Cap
    DVD(?:Rip|Scr|R|5|9|Mux)? HD~DVD HDRip HD~CAM CAM~Rip HD~TS DLMux TELESYNC TELECINE SCREENER VHSRip
    (?:Amazon|Netflix|iTunes|Maxdome|HBOMax|Disney)U?[HS]D AMZN DSNP HMAX ATVP WebUHD
"""
_SURE_SOUND = r"""
    DTS(?:-?HD)? E?-?AC-?3D? AAC[\d.]* FLAC TrueHD DDP?~[257][\s._][01] VOSTFR TRUEFRENCH SUBFRENCH
"""
SURE = any_of(_SURE_PICTURE, _SURE_SOURCE, _SURE_SOUND)
# What is a tag when it stands right before another.
_SOFT = r"""
    PROPER REPACK\d? RERIP REAL INTERNAL LIMITED COMPLETE DUBBED DUB MULTI\d? DL ML SUBBED MULTISUBS? HDR\d*\+? DV
    HYBRID DUAL WEB 3D CAM TS TC R5 NF RETAIL UNTOUCHED NORDIC WS HR DOC HC AI UPSCALED READNFO STV DOKU CONVERT
    PAL NTSC NFOFIX DIRFIX PROOFFIX FESTIVAL INTEGRALE INTÉGRALE L'INTEGRALE COFFRET MINISERIES HQ
"""
_SOFT_BEHIND = r"""
    DUBS CR FS VO LEK SYNCED AUDIO SUBS? ESUBS? EXTENDED UNCUT UNRATED UNCENSORED DIRECTORS CUT EDITION VERSION
    THEATRICAL IMAX REMASTERED RESTORED SD HD MKV MP4 RAW DD\d* DDP\d* \d BD DVD HDTV
"""
# Before a title's end they count only in capitals, as “Web” or “Dual” can be a word of the title.
SOFT_BEFORE = re.compile(any_of(_SOFT) + "|iNTERNAL|MULTi|Multi|NORDiC|SWiSSGERMAN|Integrale|L'Integrale|Coffret")
SOFT_LOWER = re.compile("repack|rerip|internal|dubbed|multi|dl|ml|ws|hr|readnfo|hdr|nordic")
SOFT_BEHIND = re.compile(any_of(_SOFT, _SOFT_BEHIND), re.IGNORECASE)
CHECKSUM = re.compile(r"[0-9A-Fa-f]{8}")
RESOLUTION_WORD = re.compile(r"\d{3,4}[pi]|4k", re.IGNORECASE)
# Two words that one dash ties into one tag.
_COMPOUND = re.compile(
    r"(?:web-(?:dl|dlmux|dlrip|rip|hdrip|mux)|dts-(?:hd|x|es|ma|hra?)|hd-ma|blu-ray|hd-dvd|e-ac-?3|ac-3|vc-1|mpeg-2|10-bits?|8-bits?|dual-audio"
    r"|pl-(?:dub|lek)|(?:dub|lek)-pl|\w+-\d{3,4}[pi]|\w+-4k|x-vid|hdr-10|br-rip|bd-rip|dvd-?r|dvd-5|dvd-9)",
    re.IGNORECASE,
)


@lru_cache(maxsize=8192)
def is_technical(word: str) -> bool:
    """Whether a word is a tag of the picture, the sound, the source or the release."""
    return _TECHNICAL_WORD.fullmatch(word) is not None


@lru_cache(maxsize=8192)
def is_tag(word: str) -> bool:
    """Whether a word is a tag of any sort: technical, a language, an edition, a number, a checksum."""
    return (
        word.lower() in LANGUAGE_WORDS
        or word in LANGUAGE_CODES
        or is_technical(word)
        or _OTHER_WORD.fullmatch(word) is not None
    )


def is_compound(left: str, right: str) -> bool:
    """Whether left-right is one tag, such as WEB-DL."""
    return _COMPOUND.fullmatch(f"{left}-{right}") is not None
