"""Reading release names, and ranking a page of an indexer's: parsett, the nearest library, reads the same names."""

import random
import time
from collections.abc import Callable, Iterator

import PTT

from apps.downloads.releases.match import Wanted
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.rank import decide
from tests.bench import stack
from tests.bench.report import Figure, at_least, at_most, percentile, tell

COUNT = 1_000
TITLES = ("The Last Night Tram", "Up", "It", "Revolution", "Le Dernier Tram", "Camelot", "2046", "Blade Runner 2049")
NUMBERS = ("2021", "1998", "S01E02", "S03", "S01E01-E04", "2020.11.05", "1x07", "E112")
RESOLUTIONS = ("2160p", "1080p", "720p", "480p", "")
SOURCES = ("WEB-DL", "BluRay", "WEBRip", "HDTV", "Remux", "HDCAM", "DVDRip")
CODECS = ("x264", "H.265", "HEVC.10bit", "AV1", "XviD")
EXTRAS = ("DDP5.1.Atmos", "AAC2.0", "MULTi", "VOSTFR", "PROPER", "HDR10", "iNTERNAL.REPACK", "")
GROUPS = ("NTb", "FLUX", "RARBG", "SubsPlease", "QxR")


def names() -> list[str]:
    """The same in every run."""
    choose = random.Random(1).choice
    parts = (TITLES, NUMBERS, RESOLUTIONS, SOURCES, EXTRAS, CODECS)
    made = [".".join(filter(None, (choose(part).replace(" ", ".") for part in parts))) for _ in range(COUNT)]
    return [f"{name}-{choose(GROUPS)}" for name in made]


def times(read: Callable[[str], object], texts: list[str]) -> list[float]:
    """Milliseconds of processor time of each."""
    found = []
    for text in texts:
        began = time.process_time()
        read(text)
        found.append((time.process_time() - began) * 1000)
    return found


def ranking(texts: list[str]) -> float:
    """Seconds of processor time for reading and judging all of them for one title, with 100 preferred words."""
    words = {f"WORD{number}": number for number in range(100)}
    profile = Profile(preferred_words=words)
    wanted = Wanted(kind="movie", title="The Last Night Tram", year=2021, runtime=100)
    began = time.process_time()
    for text in texts:
        decide(wanted, parse(text), 4 << 30, 10, profile)
    return time.process_time() - began


def measure() -> Iterator[Figure]:
    texts = names()
    rates: list[list[float]] = [[], []]
    late: list[list[float]] = [[], []]
    seconds = []
    for _ in range(stack.ROUNDS):
        for number, read in enumerate((parse, PTT.parse_title)):
            found = times(read, texts)
            rates[number].append(len(found) * 1000 / sum(found))
            late[number].append(percentile(found, 99))
        seconds.append(ranking(texts))
    yield Figure("release names", "names/s", rates[0], "parsett", rates[1], at_least(1_000))
    yield Figure("one release name, p99", "ms", late[0], "parsett", late[1], at_most(3))
    yield Figure("1,000 releases read and ranked, 100 preferred words", "s", seconds, bar=at_most(1))


def main() -> None:
    tell(measure())


if __name__ == "__main__":
    main()
