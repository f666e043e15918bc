"""Release names: from the text that indexers carry to typed facts."""

import re
from dataclasses import replace

from apps.downloads.releases import quality
from apps.downloads.releases.clean import MAX_NAME, clean, strip_site
from apps.downloads.releases.group import split_group
from apps.downloads.releases.heading import Heading, other_script, read_heading
from apps.downloads.releases.languages import find_languages, is_multi
from apps.downloads.releases.name import ReleaseName, to_json
from apps.downloads.releases.numbering import Numbering
from apps.downloads.releases.series import find_numbering

__all__ = ["ReleaseName", "parse", "to_json"]

_CHECKSUM = re.compile(r"[\[(]([0-9A-Fa-f]{8})[\])]")
_SAMPLE = re.compile(r"(?<![^\W_])sample(?![^\W_])", re.IGNORECASE)
# In front of the whole name or behind it, where it is no word of a title.
_SAMPLE_OUTSIDE = re.compile(r"^sample-(?=.)|(?<=.)[ ._-]sample$", re.IGNORECASE)
_PROPER = re.compile(r"(?<![^\W_])proper(?![^\W_])", re.IGNORECASE)
_REPACK = re.compile(r"(?<![^\W_])(?:repack\d?|rerip)(?![^\W_])", re.IGNORECASE)
_REAL = re.compile(r"(?<![^\W_])REAL(?![^\W_])")
_VERSION = re.compile(
    r"(?<=\d)v([2-9])(?![^\W_])|(?<![^\W_])[\[(]?v([2-9])(?![^\W_])|(?<![^\W_])(?:repack|proper)([2-9])(?![^\W_])",
    re.IGNORECASE,
)
_THREE_D = re.compile(r"(?<![^\W_])(?:3D|H-?SBS|H-?OU|Half-?(?:SBS|OU))(?![^\W_])", re.IGNORECASE)
_HARDCODED = re.compile(r"(?<![^\W_])(?:HC|HARDCODED|hardsubs?|KORSUBS?)(?![^\W_])", re.IGNORECASE)
_COMPLETE = re.compile(
    r"(?<![^\W_])(?:complete|completa|int[eé]grale|batch|miniseries|the[ ._]complete[ ._]series)(?![^\W_])",
    re.IGNORECASE,
)
_DUBBED = re.compile(r"(?<![^\W_])(?:dub(?:bed|s)?|dublado|synced)(?![^\W_])|(?:PL|Ro|Heb)-?dub", re.IGNORECASE)
_SPECIAL = re.compile(r"(?<![^\W_])(?:OVA|OAD|ONA|specials?|SP)(?![^\W_])", re.IGNORECASE)


def parse(name: str) -> ReleaseName:
    """The facts that a release name gives. Any text is accepted, 1,024 characters of it are read, nothing is raised."""
    text, container = clean(name)
    text = strip_site(text)
    whole = _SAMPLE_OUTSIDE.sub("", text)
    sample, text = whole != text, whole
    checksum = _CHECKSUM.search(text)
    group, body = split_group(text)
    body, others, other = other_script(body)
    numbering = find_numbering(body, anime=group is not None and text.lstrip().startswith("["))
    if numbering is None and (beside := find_numbering(other, anime=False)) is not None:
        numbering = replace(beside, start=len(body), end=0)
    heading = read_heading(body, numbering)
    release = _facts(name[:MAX_NAME], body, group, container, numbering, heading, others)
    return replace(release, checksum=checksum[1].upper() if checksum else None, sample=sample or release.sample)


def _facts(
    raw: str, body: str, group: str | None, container: str | None,
    numbering: Numbering | None, heading: Heading, others: tuple[str, ...],
) -> ReleaseName:  # fmt: skip
    number = numbering or Numbering(0, 0)
    tail = f" {body[heading.end :]} "
    wide = f" {body[heading.rest :]} "
    found_source, found_resolution = quality.find_source(tail, container), quality.find_resolution(wide)
    codec = quality.find_codec(wide)
    source, resolution = quality.assume(found_source, found_resolution, tail, codec, container)
    assumed = [*number.assumed]
    assumed += [
        field
        for field, old, new in (("source", found_source.name, source), ("resolution", found_resolution, resolution))
        if old != new
    ]
    languages, subtitles = find_languages(tail, f"{wide} {group or ''}", group)
    version = _VERSION.search(body)
    if number.assumed or (number.seasons and not number.episodes):
        film = read_heading(body, None)  # the number may be of its title
        others = (*others, film.title) if film.end >= number.end else others
    return ReleaseName(
        raw=raw,
        title=heading.title,
        alternative_titles=(*others, *heading.alternatives),
        year=heading.year,
        seasons=number.seasons,
        episodes=number.episodes,
        absolute_episode=number.absolute,
        air_date=number.air_date,
        complete=_COMPLETE.search(wide) is not None,
        special=number.special or 0 in number.seasons or _SPECIAL.search(tail) is not None,
        partial=number.partial,
        resolution=resolution,
        source=source,
        remux=found_source.remux,
        codec=codec,
        bit_depth=quality.find_bit_depth(wide),
        hdr=quality.find_hdr(tail),
        audio=quality.find_audio(tail),
        channels=quality.find_channels(tail),
        languages=languages,
        subtitles=subtitles,
        multi=is_multi(tail, languages),
        dubbed=_DUBBED.search(tail) is not None,
        group=group,
        edition=heading.edition,
        proper=_PROPER.search(tail) is not None,
        repack=_REPACK.search(tail) is not None,
        real=_REAL.search(tail) is not None,
        version=int(next(filter(None, version.groups()))) if version else None,
        three_d=_THREE_D.search(tail) is not None,
        hardcoded=_HARDCODED.search(tail) is not None,
        service=quality.find_service(tail),
        container=container,
        sample=_SAMPLE.search(tail) is not None,
        assumed=tuple(assumed),
    )
