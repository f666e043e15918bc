"""Air dates: 2021-03-04, 04.28.2014, 20210304, 140722."""

import re
from dataclasses import replace
from datetime import date

from apps.downloads.releases.absolute import read_counted
from apps.downloads.releases.numbering import Numbering

_DATES = (
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)[ ._/-](?P<m>\d\d)[ ._/-](?P<d>\d\d)(?!\d)"),
    re.compile(r"(?<!\d)(?P<m>\d\d)[ ._/-](?P<d>\d\d)[ ._/-](?P<y>(?:19|20)\d\d)(?!\d)"),
    re.compile(r"(?<!\d)(?P<y>(?:19|20)\d\d)(?P<m>[01]\d)(?P<d>[0-3]\d)(?!\d)"),
    re.compile(r"(?<=[ ._])(?P<y>[0-2]\d)(?P<m>[01]\d)(?P<d>[0-3]\d)(?=[ ._])"),
)


def read_dated(text: str) -> Numbering | None:
    """An air date, with the episode's count where one stands beside it: “Some Show 12. Bölüm (01.02.2023)”."""
    for pattern in _DATES:
        for found in pattern.finditer(text):
            day = _day(int(found["y"]), int(found["m"]), int(found["d"]))
            if day is not None:
                return _with_count(text, Numbering(found.start(), found.end(), air_date=day))
    return None


def _with_count(text: str, dated: Numbering) -> Numbering:
    counted = read_counted(text)
    if counted is None:
        return dated
    start, end = min(dated.start, counted.start), max(dated.end, counted.end)
    return replace(counted, start=start, end=end, air_date=dated.air_date)


def _day(year: int, month: int, day: int) -> date | None:
    """The date; day and month change places where only that gives one. Two-digit years are of this century."""
    year += 2000 if year < 100 else 0
    if month > 12 >= day:
        month, day = day, month
    try:
        return date(year, month, day)
    except ValueError:
        return None
