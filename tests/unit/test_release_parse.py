"""Release names: the conventions of the field, on invented titles."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.downloads.releases.parse import ReleaseName, parse, to_json
from tests.bench.parse import OURS, cases_of, wrong

ROOT = Path(__file__).resolve().parents[2]

FILMS: list[tuple[str, dict[str, Any]]] = [
    ("Harbour.Light.2019.1080p.BluRay.x264-GRP", {"title": "Harbour Light", "year": 2019, "group": "GRP"}),
    ("Harbour Light (2019) [1080p] [BluRay] [5.1] [YTS.MX]", {"title": "Harbour Light", "group": "YTS.MX"}),
    ("www.example.com - Harbour Light (2019) 720p HDRip", {"title": "Harbour Light", "year": 2019}),
    ("1917.2019.1080p.BluRay.x264-GRP", {"title": "1917", "year": 2019}),
    ("2001.A.Lamp.Odyssey.1968.1080p.BluRay", {"title": "2001 A Lamp Odyssey", "year": 1968}),
    ("Lamp.Runner.2049.2017.2160p.WEB-DL", {"title": "Lamp Runner 2049", "year": 2017}),
    ("1984.1080p.BluRay.x264-GRP", {"title": "1984", "year": None}),
    ("Room.415.2012.1080p.BluRay.x264-GRP", {"title": "Room 415", "year": 2012, "season": None}),
    ("K.E.L.P.2013.720p.BluRay.x264-GRP", {"title": "K.E.L.P.", "year": 2013}),
    ("(40).Lamps.Of.Summer.(2009).DTS.1080p.BluRay", {"title": "(40) Lamps Of Summer", "year": 2009}),
    ("The.French.Lamp.2021.1080p.WEB-DL", {"title": "The French Lamp", "languages": []}),
    ("Harbour.Light.FRENCH.1080p.BluRay-GRP", {"title": "Harbour Light", "languages": ["fr"]}),
    ("Lumière.du.port.AKA.Harbour.Light.2019.1080p", {"alternative_titles": ["Harbour Light"], "year": 2019}),
    ("Портовый свет / Harbour Light (2019) WEB-DL 1080p", {"title": "Harbour Light", "year": 2019}),
    ("超能港 Harbour Light 2019 1080p WEB-DL", {"title": "Harbour Light", "alternative_titles": ["超能港"]}),
    ("Le Phare (Some Director, 1967) [DVDRip]", {"title": "Le Phare", "year": 1967}),
    ("Harbour.Light.Part.2.2019.1080p.BluRay", {"title": "Harbour Light Part 2", "season": None}),
    ("Harbour.Light.Extended.Edition.2019.1080p", {"title": "Harbour Light", "edition": "Extended Edition"}),
    ("Harbour Light (2019) (Ultimate Hunter Edition) 1080p", {"edition": "Ultimate Hunter Edition"}),
    ("Harbour.Light.2019.Unrated.Directors.Cut.1080p", {"edition": "Unrated Directors Cut"}),
    ("The.Final.Cut.2004.1080p.WEB-DL", {"title": "The Final Cut", "edition": None}),
]

SERIES: list[tuple[str, dict[str, Any]]] = [
    ("Quiet.Harbour.S02E15.720p.HDTV.x264-GRP", {"title": "Quiet Harbour", "season": 2, "episodes": [15]}),
    ("Quiet.Harbour.2010.S02E14.HDTV.XviD-GRP", {"title": "Quiet Harbour 2010", "year": 2010, "season": 2}),
    ("Quiet Harbour - 4x05 - A Name", {"title": "Quiet Harbour", "season": 4, "episodes": [5]}),
    ("Quiet.Harbour.S01E01E02E03.1080p", {"season": 1, "episodes": [1, 2, 3]}),
    ("Quiet.Harbour.S01E01-S01E03.720p", {"season": 1, "episodes": [1, 2, 3]}),
    ("Quiet.Harbour.S01E01-02.720p", {"season": 1, "episodes": [1, 2]}),
    ("Quiet Harbour - 3x16 & 3x17 - Two Parts", {"season": 3, "episodes": [16, 17]}),
    ("Quiet.Harbour.S01E07.21.0.Lamp.Street.720p", {"season": 1, "episodes": [7]}),
    ("Quiet.Harbour.S03E02-720p", {"season": 3, "episodes": [2], "resolution": "720p"}),
    ("Quiet Harbour Season 2 Episode 11", {"season": 2, "episodes": [11]}),
    ("Quiet Harbour [HDTV][Cap.402](example.com).avi", {"title": "Quiet Harbour", "season": 4, "episodes": [2]}),
    ("Quiet Harbour T02E22.mp4", {"title": "Quiet Harbour", "season": 2, "episodes": [22]}),
    ("Quiet.Harbour.3of6.1080p", {"title": "Quiet Harbour", "season": 1, "episodes": [3]}),
    ("Quiet.Harbour.417.hdtv-grp", {"title": "Quiet Harbour", "season": 4, "episodes": [17]}),
    ("Quiet.Harbour.S02.COMPLETE.1080p.BluRay", {"season": 2, "episodes": [], "complete": True}),
    ("Quiet.Harbour.S01-S03.1080p.WEB-DL-GRP", {"season": [1, 2, 3], "episodes": []}),
    ("Quiet Harbour Seasons 1-3 720p", {"title": "Quiet Harbour", "season": [1, 2, 3]}),
    ("Quiet.Harbour.Staffel.2.German.DL.1080p.WEB.h264-GRP", {"season": 2, "languages": ["de"], "multi": True}),
    ("Harbour Light - Сезон: 2 / Серии: 1-4 из 8 (2020)", {"season": 2, "episodes": [1, 2, 3, 4]}),
    ("静港 第二季 第3集.mp4", {"title": "静港", "season": 2, "episodes": [3]}),
    ("Quiet.Harbour.S00E05.Special.1080p", {"season": 0, "special": True}),
    ("The.Late.Lamp.2021.03.04.Guest.Name.1080p", {"title": "The Late Lamp", "air_date": "2021-03-04"}),
    ("The.Late.Lamp.2021.16.02.720p", {"air_date": "2021-02-16"}),
    ("The Late Lamp 04.28.2014 hdtv", {"air_date": "2014-04-28"}),
    ("The.Late.Lamp.20210304.720p.WEB.h264-GRP", {"air_date": "2021-03-04"}),
    ("Lamp.S02E03.The.French.Mistake.720p.HDTV", {"languages": []}),
    ("Lamp.S02E03.Cam.Girl.720p.HDTV.x264-GRP", {"source": "HDTV"}),
    ("Quiet.Harbour.E05.1080p.WEB-DL-GRP", {"season": 1, "episodes": [5], "absolute_episode": 5}),
]

ANIME: list[tuple[str, dict[str, Any]]] = [
    ("[Lanterns] Paper Foxes - 12 [1080p][AAC]", {"title": "Paper Foxes", "absolute_episode": 12, "group": "Lanterns"}),
    ("[Lanterns]_Paper_Foxes_-_07v2_(1280x720_h264)_[1A2B3C4D].mkv", {"absolute_episode": 7, "checksum": "1A2B3C4D"}),
    ("[Lanterns] Paper Foxes S2 - 03 (1080p)", {"season": 2, "episodes": [3], "absolute_episode": 3}),
    ("[Lanterns] Paper Foxes 214", {"title": "Paper Foxes", "absolute_episode": 214}),
    ("[Lanterns] Paper Foxes - 01-12 [BD 1080p] (Batch)", {"episodes": list(range(1, 13)), "source": "BluRay"}),
    ("[Lanterns][Paper Foxes][05][1080P][简体]", {"absolute_episode": 5, "languages": ["zh"]}),
    ("[Lanterns] 01 - Paper Foxes [BD][720p]", {"title": "Paper Foxes", "absolute_episode": 1}),
    ("Paper Foxes Episode 56 [VOSTFR][720p]", {"absolute_episode": 56, "subtitles": ["fr"]}),
    ("Paper Foxes #957 (1280x720 x264 AAC).mp4", {"absolute_episode": 957}),
    ("[Lanterns] Paper Foxes - 12.5 [1080p]", {"absolute_episode": 12, "special": True}),
]

PICTURE: list[tuple[str, dict[str, Any]]] = [
    ("L.2019.2160p.UHD.BluRay.REMUX.DV.HDR10+.HEVC.TrueHD.7.1.Atmos-G", {"resolution": "2160p", "remux": True}),
    ("L.2019.2160p.UHD.BluRay.REMUX.DV.HDR10+.HEVC.TrueHD.7.1.Atmos-G", {"hdr": ["DV", "HDR10+"], "codec": "H.265"}),
    (
        "L.2019.2160p.UHD.BluRay.REMUX.DV.HDR10+.HEVC.TrueHD.7.1.Atmos-G",
        {"audio": ["Atmos", "TrueHD"], "channels": "7.1"},
    ),
    ("L.2019.1080p.AMZN.WEB-DL.DDP5.1.H.264-G", {"source": "WEB-DL", "service": "Amazon", "audio": ["DDP"]}),
    ("L.2019.1080p.AMZN.WEB-DL.DDP5.1.H.264-G", {"channels": "5.1", "codec": "H.264", "assumed": []}),
    ("L 2019 1080p WEB h264-G", {"source": "WEB-DL"}),
    ("L.2019.WEBRip.720p.10bit.x265-G", {"source": "WEBRip", "bit_depth": 10}),
    ("Lamp.2019.4K.HDR.2160p.WEB-DL", {"resolution": "2160p", "hdr": ["HDR"]}),
    ("Lamp.2019.4K.BluRay.1080p", {"resolution": "1080p"}),
    ("Lamp (2019) 1920x800 BDRip", {"resolution": "1080p", "source": "BluRay"}),
    ("Lamp.2019.HDCAM.x264-G", {"source": "CAM", "resolution": None}),
    ("Lamp 2019 CAM XviD", {"source": "CAM", "codec": "XviD"}),
    ("Lamp.2019.HDTS.1080p.x264", {"source": "TS"}),
    ("Lamp.2019.TS.x264-G", {"source": "TS"}),
    ("Lamp.2019.TELECINE.x264-G", {"source": "TC"}),
    ("Lamp.2019.DVDScr.XviD-G", {"source": "SCR"}),
    ("Lamp.2019.1080p.x264.ts", {"source": "HDTV", "container": "ts", "assumed": ["source"]}),
    ("Lamp.2019.BluRay.x264-G", {"resolution": "720p", "assumed": ["resolution"]}),
    ("Lamp.S01E01.HDTV.x264-G", {"resolution": "480p", "assumed": ["resolution"]}),
    ("Lamp.2019.REPACK.PROPER.1080p.WEB-DL-G", {"proper": True, "repack": True}),
    ("Lamp.2019.3D.HSBS.1080p.BluRay-G", {"three_d": True}),
    ("Lamp.2019.KORSUB.HDRip.x264-G", {"hardcoded": True, "source": "HDRip", "subtitles": ["ko"]}),
    ("Lamp.2019.MULTi.VFF.1080p.BluRay-G", {"multi": True, "languages": ["fr"]}),
    ("Lamp (2019) [Hindi + English] 720p", {"languages": ["hi", "en"]}),
    ("Lamp.2019.Eng.Subs.1080p.WEB-DL", {"languages": [], "subtitles": ["en"]}),
    ("Lamp (2019) [BDRemux AVC 1080p ES-EN DTS-HD MA 5.1]", {"languages": ["es", "en"], "audio": ["DTS-HD MA"]}),
    ("Lamp.2019.PLDUB.1080p.WEB-DL", {"languages": ["pl"], "dubbed": True}),
    ("Lamp.2019.1080p.BluRay.x264-G.sample.mkv", {"sample": True, "group": "G"}),
    ("sample-lamp.2019.1080p.mkv", {"sample": True, "title": "lamp"}),
    ("The.Sample.2019.1080p.WEB-DL", {"sample": False}),
]

# Titles that look like tags.
LOOKALIKES: list[tuple[str, dict[str, Any]]] = [
    ("Camelot.S01E02.720p.HDTV.x264-GRP", {"title": "Camelot", "source": "HDTV"}),
    ("Cam.2018.1080p.NF.WEB-DL.x264-GRP", {"title": "Cam", "source": "WEB-DL"}),
    ("Revolution.S01E05.720p.HDTV.x264-GRP", {"title": "Revolution", "season": 1, "episodes": [5]}),
    ("It.2017.1080p.BluRay.x264-GRP", {"title": "It", "year": 2017, "languages": []}),
    ("Up.2009.720p.BluRay.x264-GRP", {"title": "Up", "year": 2009}),
    ("The.Web.2013.1080p.BluRay", {"title": "The Web", "source": "BluRay"}),
    ("Dual.2022.1080p.WEB-DL", {"title": "Dual", "multi": False}),
    ("9-1-1.S01E01.720p", {"title": "9-1-1", "season": 1}),
    ("24.S01E01.720p", {"title": "24", "season": 1}),
    ("The.4400.S01E01", {"title": "The 4400", "season": 1}),
    ("Extras.2005.S01E01.mkv", {"title": "Extras 2005", "season": 1}),
]

GROUPS: list[tuple[str, str | None]] = [
    ("Lamp.2019.1080p.WEB-DL", None),
    ("Lamp.2019.1080p.BluRay.DTS-HD.MA.5.1", None),
    ("Lamp 2019 1080p HDTV XviD GRP", None),
    ("Lamp.2019.1080p.BluRay.x264-GRP-postbot", "GRP"),
    ("Lamp.2019.1080p.BluRay.x264-GRP[rarbg]", "GRP"),
    ("Lamp.2019.1080p.BluRay.H.264-BD", "BD"),
    ("Lamp.2019.1080p.BluRay.x264-GRP-TWO", "GRP-TWO"),
    ("Lamp.2019.1080p.WEB-DL.H.264.GRP", "GRP"),
    ("Lamp (2019) (1080p BluRay x265 10bit AAC 5.1 Grouper)", "Grouper"),
    ("Lamp (2019) (1080p BluRay x265 10bit AAC 5.1 English - Grouper)", "Grouper"),
    ("Lamp S01 1080p Blu-ray Remux AVC FLAC 2.0 - Grouper", "Grouper"),
    ("Lamp (2019) {tmdb-12345} [Bluray-1080p][x264]-GRP", "GRP"),
    ("Lamp (2019) 1080p BluRay {tmdb-12345}", None),
    ("Lamp - S01E01 - Two-Part Name", None),
    ("Lamp (2012) [imdbid-tt1234567] - [Bluray-1080p]", None),
    ("Lamp.S01E09.1080p.WEB-DL.H.264-GRP (Other Lamp, Multi-Subs)", "GRP"),
    ("Lamp.2019.1080p.BluRay.x264.-[SITE.TLD]", "SITE.TLD"),
    ("Lamp 2019 [Grp] [Blu-ray][MKV][h264][1080p][Softsubs (Grp)]", "Grp"),
]


@pytest.mark.parametrize(("name", "facts"), FILMS + SERIES + ANIME + PICTURE + LOOKALIKES)
def test_the_facts_of_a_name(name: str, facts: dict[str, Any]) -> None:
    found = to_json(parse(name))
    assert {field: found[field] for field in facts} == facts


@pytest.mark.parametrize(("name", "group"), GROUPS)
def test_the_group_of_a_name(name: str, group: str | None) -> None:
    assert parse(name).group == group


def test_separators_do_not_matter() -> None:
    dotted = parse("Quiet.Harbour.S02E15.1080p.WEB-DL.DDP5.1.H.264-GRP")
    spaced = parse("Quiet Harbour S02E15 1080p WEB-DL DDP5 1 H 264-GRP")
    underscored = parse("Quiet_Harbour_S02E15_1080p_WEB-DL_DDP5.1_H.264-GRP")
    same = ("title", "seasons", "episodes", "resolution", "source", "codec", "audio", "channels", "group")
    assert [getattr(spaced, field) for field in same] == [getattr(dotted, field) for field in same]
    assert [getattr(underscored, field) for field in same] == [getattr(dotted, field) for field in same]


def test_invisible_characters_do_not_hide_a_number() -> None:
    assert parse("Quiet\u200b.Harbour.​S07​E11.720p").episodes == (11,)


@settings(deadline=None)
@given(st.text(max_size=1500))
def test_any_text_is_parsed_into_json(name: str) -> None:
    release = parse(name)
    assert isinstance(release, ReleaseName)
    json.dumps(to_json(release))


_PIECES = [
    "Lamp",
    "S01",
    "E02",
    "1x02",
    " - ",
    "-",
    ".",
    "[",
    "]",
    "(",
    ")",
    "2019",
    "1080p",
    "x264",
    "Eng",
    "第",
    "季",
    "/",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=60).map("".join))
def test_any_mixture_of_tags_is_parsed(name: str) -> None:
    release = parse(name)
    assert all(season >= 0 for season in release.seasons)
    assert list(release.episodes) == sorted(release.episodes)


def test_only_the_first_kilobyte_is_read() -> None:
    assert parse("Lamp 2019 " + "x" * 2000 + " 1080p").resolution is None


def run_command(text: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    """`manage.py parse_release` in an empty environment: it must need no configuration."""
    command = [sys.executable, "manage.py", "parse_release", *words]
    return subprocess.run(command, input=text, capture_output=True, cwd=ROOT, env={}, check=False)


def test_the_command_answers_every_line_in_order() -> None:
    done = run_command(b"Lamp.S01E02.720p\n\n\xff\xfeLamp.2019.1080p\r\nLast.2020")
    assert (done.returncode, done.stderr) == (0, b"")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["title"] for answer in answers] == ["Lamp", "", "\ufffd\ufffdLamp", "Last"]
    assert [answer["year"] for answer in answers] == [None, None, 2019, 2020]


def test_the_command_answers_names_by_a_table_or_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("parse_release", "Lamp.S00E02.720p.HDTV-GRP", "[b]Last.2020")
    shown = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["Lamp.S00E02.720p.HDTV-GRP"] in shown
    assert ["season", "0"] in [[cell.strip() for cell in line] for line in shown]
    assert ["special", "yes"] in [[cell.strip() for cell in line] for line in shown]
    assert not any(line[:1] == ["raw"] or line[:1] == ["codec"] for line in shown)
    call_command("parse_release", "--json", "Lamp.S01E02.720p", "Last.2020")
    answers = json.loads(capsys.readouterr().out)
    assert [(answer["title"], answer["season"], answer["year"]) for answer in answers] == [
        ("Lamp", 1, None),
        ("Last", None, 2020),
    ]


@pytest.mark.parametrize("suite", sorted({case["suite"] for case in cases_of(OURS)}))
def test_the_names_of_our_own_set_are_read_right(suite: str) -> None:
    """The set that `make bench-parse` reads where no corpus is given."""
    named = [case for case in cases_of(OURS) if case["suite"] == suite]
    found = {case["name"]: wrong(case["expect"], to_json(parse(case["name"]))) for case in named}
    assert {name: faults for name, faults in found.items() if faults} == {}
