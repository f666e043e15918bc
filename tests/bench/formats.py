"""How published custom formats and quality profiles are taken, and how fast they score: `python tests/bench/formats.py DIR`.

DIR holds their JSON files, called radarr__cf__NAME.json, sonarr__quality-profiles__NAME.json and the like.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from apps.downloads.releases import trash
from apps.downloads.releases.formats import ScoredFormat
from apps.downloads.releases.match import Wanted
from apps.downloads.releases.parse import parse
from apps.downloads.releases.profile import Profile
from apps.downloads.releases.qualities import App
from apps.downloads.releases.rank import decide
from tests.bench.releases import names

APPS: tuple[App, App] = ("radarr", "sonarr")
ROUNDS = 3


def documents(folder: Path, app: str, kind: str) -> Iterator[tuple[str, object]]:
    for path in sorted(folder.glob(f"{app}__{kind}__*.json")):
        yield path.name, json.loads(path.read_text(encoding="utf-8"))


def taken(folder: Path, app: App, kind: str, read: Callable[[object], object]) -> dict[str, object]:
    """Those that could be taken, by the name of their file; how many, and why not the others, is printed."""
    found: dict[str, object] = {}
    reasons: Counter[str] = Counter()
    refused = []
    for name, document in documents(folder, app, kind):
        try:
            found[name] = read(document)
        except trash.Refused as refusal:
            reasons[refusal.code] += 1
            refused.append(f"    {name}: {refusal.code}: {refusal}")
    total = len(found) + len(refused)
    share = 100 * len(found) / total if total else 0
    print(f"{app} {kind:16} {len(found):4} of {total:4} taken  {share:5.1f} %  {dict(reasons) or ''}")
    print("\n".join(refused), end="\n" if refused else "")
    return found


def seconds(profile: Profile, texts: list[str]) -> tuple[float, float]:
    """Processor time for judging all of them, (read before, read within it): the best of the rounds."""
    wanted = Wanted("movie", "The Last Night Tram", year=2021, runtime=100, original_language="en")
    parsed = [parse(text) for text in texts]
    ready, whole = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        for release in parsed:
            decide(wanted, release, 4 << 30, 10, profile)
        ready.append(time.process_time() - began)
        began = time.process_time()
        for text in texts:
            decide(wanted, parse(text), 4 << 30, 10, profile)
        whole.append(time.process_time() - began)
    return min(ready), min(whole)


def tell(title: str, profile: Profile, texts: list[str]) -> None:
    ready, whole = seconds(profile, texts)
    conditions = sum(len(scored.format.conditions) for scored in profile.formats)
    print(
        f"{title}: {len(profile.formats)} formats of {conditions} conditions, {len(texts):,} names: "
        f"{ready:.3f} s, {whole:.3f} s with reading them"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    options = arguments.parse_args()
    texts = names()
    for app in APPS:
        formats = taken(options.folder, app, "cf", lambda document, app=app: trash.read_format(document, app))
        known = {one.identity: one for one in formats.values() if isinstance(one, trash.PublishedFormat)}
        profiles = taken(
            options.folder,
            app,
            "quality-profiles",
            lambda document, app=app, known=known: trash.read_profile(document, app, known),
        )
        read = [one for one in profiles.values() if isinstance(one, trash.PublishedProfile)]
        missing = sum(len(one.missing) for one in read)
        print(f"{app} profiles ask for {missing} formats that are not in the folder; each is told by its name")
        if not read:
            continue
        fullest = max(read, key=lambda one: len(one.profile.formats)).profile
        tell(f"{app} fullest profile, {fullest.name}", fullest, texts)
        everything = tuple(ScoredFormat(format=one.format, score=one.score("default")) for one in known.values())
        tell(f"{app} the same with every format", fullest.model_copy(update={"formats": everything}), texts)


if __name__ == "__main__":
    main()
