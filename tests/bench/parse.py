"""How well and how fast release names are parsed: `make bench-parse [CORPUS=names.jsonl] [FAILURES=1]`.

Without a corpus it reads the names of the unit tests. parsett, the nearest library, is timed on the same names in the same run.

A corpus has one JSON object a line: suite, name, expect (title, year, season, episodes, absolute_episode, air_date,
resolution, source, group, language, edition; those that it gives are compared).
"""

import argparse
import json
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from apps.downloads.releases.parse import parse, to_json

OURS = Path(__file__).resolve().parents[1] / "unit/cases/names.jsonl"
FAMILIES = {
    "webdl": "web", "webrip": "web", "hdrip": "web", "bluray": "bluray", "remux": "bluray", "hdtv": "hdtv", "sdtv": "hdtv", "dvd": "dvd",
}  # fmt: skip


def plain(text: str) -> str:
    """A title without case, accents and punctuation."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = (c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return " ".join("".join(kept).split())


def family(source: str | None) -> str | None:
    """web, bluray, hdtv or dvd."""
    key = "".join(c for c in (source or "").lower() if c.isalnum())
    return FAMILIES.get(key, key or None)


def wrong(expect: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """The fields that differ."""
    faults = []
    for field, want in expect.items():
        if field == "title":
            right = plain(facts["title"]) == plain(want)
        elif field == "source":
            right = family(facts["source"]) == family(want)
        elif field == "language":
            right = want in facts["languages"]
        elif field == "season":
            right = facts["season"] == want or (isinstance(facts["season"], list) and want in facts["season"])
        else:
            right = facts[field] == want
        if not right:
            faults.append(field)
    return faults


def cases_of(corpus: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()]


def speed(read: Callable[[str], object], names: list[str]) -> tuple[float, float]:
    """(names a second, 99th percentile in milliseconds) of processor time on one core, each name parsed three times."""
    times = []
    for name in names * 3:
        start = time.process_time()
        read(name)
        times.append(time.process_time() - start)
    return len(times) / sum(times), sorted(times)[int(len(times) * 0.99)] * 1000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("corpus", type=Path, nargs="?", default=OURS)
    arguments.add_argument("--failures", action="store_true", help="print every name that was read wrongly")
    options = arguments.parse_args()
    cases = cases_of(options.corpus)
    total: Counter[str] = Counter()
    good: Counter[str] = Counter()
    for case in cases:
        facts = to_json(parse(case["name"]))
        faults = wrong(case["expect"], facts)
        total[case["suite"]] += 1
        good[case["suite"]] += not faults
        if faults and options.failures:
            got = {field: facts["languages" if field == "language" else field] for field in faults}
            print(
                f"{case['suite']}: {case['name']}\n    want { {f: case['expect'][f] for f in faults} }\n    got  {got}"
            )
    for suite in sorted(total):
        print(f"{suite:15} {good[suite]:4} of {total[suite]:4}  {100 * good[suite] / total[suite]:5.1f} %")
    print(f"{'all':15} {good.total():4} of {total.total():4}  {100 * good.total() / total.total():5.1f} %")
    from PTT import parse_title  # only the benchmarks have it

    names = [case["name"] for case in cases]
    for title, read in (("Sokoul", parse), ("parsett", parse_title)):
        rate, p99 = speed(read, names)
        print(f"{title:15} {rate:7,.0f} names/s on one core, p99 {p99:.2f} ms")


if __name__ == "__main__":
    main()
