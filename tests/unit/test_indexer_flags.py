"""What indexers say of a release beside its name: freeleech, internal, scene and the like."""

from typing import Any

import pytest

from apps.downloads.indexers import flags, prowlarr, torznab, xml
from apps.downloads.releases.formats import FLAGS

FEED = torznab.Feed("Feed", "http://feed/api", "key")


def of_feed(*attributes: tuple[str, str]) -> set[str]:
    inside = "".join(f"<t:attr name='{name}' value='{value}'/>" for name, value in attributes)
    text = f"<item xmlns:t='u'><title>T</title><guid>g</guid><link>http://x/y</link>{inside}</item>"
    found = torznab._offer(FEED, xml.parse(text.encode()))
    assert found
    return set(found.flags)


def of_prowlarr(said: Any) -> set[str]:
    found = prowlarr._offer({"title": "T", "guid": "g", "downloadUrl": "http://x/y", "indexerFlags": said}, "one")
    assert found, "nothing odd among the flags makes a release no release"
    return set(found.flags)


@pytest.mark.parametrize(
    ("download", "flag"),
    [("0", "freeleech"), ("0.0", "freeleech"), (" 0.50 ", "halfleech"), ("0.25", "freeleech75"), ("0.75", "freeleech25"),
     ("1", None), ("0.1", None), ("", None), ("free", None), ("-0", None), ("nan", None), ("٠", None), ("1e400", None)],
)  # fmt: skip
def test_how_much_of_a_download_is_counted(download: str, flag: str | None) -> None:
    assert of_feed(("downloadvolumefactor", download)) == ({flag} if flag else set())


def test_all_that_a_feed_says() -> None:
    said = [
        ("DownloadVolumeFactor", "0"),
        ("uploadvolumefactor", "2"),
        ("tag", "Internal"),
        ("tag", "scene"),
        ("tag", "4k"),
    ]
    assert of_feed(*said, ("nuked", "1")) == {"freeleech", "double_upload", "internal", "scene", "nuked"}
    assert of_feed(("prematch", "1"), ("nuked", "0"), ("uploadvolumefactor", "1")) == {"scene"}
    assert of_feed() == set()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["freeleech", "internal"], {"freeleech", "internal"}),
        (["DoubleUpload", "Half-Leech", "FREELEECH_75"], {"double_upload", "halfleech", "freeleech75"}),
        (["neutralleech", "exclusive", 7, None, {"name": "scene"}], {"freeleech"}),
        (None, set()),
        (5, set()),
        ("scene", set()),
    ],
)
def test_what_prowlarr_says(said: Any, expected: set[str]) -> None:
    assert of_prowlarr(said) == expected


def test_every_flag_is_one_that_formats_ask_for() -> None:
    assert set(FLAGS) >= flags.COUNTED
    assert flags.named(FLAGS) == set(FLAGS)
