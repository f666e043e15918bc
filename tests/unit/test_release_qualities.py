"""Which of the field's named qualities a release has."""

import pytest

from apps.downloads.releases.parse import parse
from apps.downloads.releases.qualities import RADARR, SONARR, quality, translated


@pytest.mark.parametrize(
    ("name", "radarr", "sonarr"),
    [
        ("Lamp.2019.2160p.UHD.BluRay.REMUX.HDR.HEVC-G", "Remux-2160p", "Bluray-2160p Remux"),
        ("Lamp.2019.1080p.BluRay.REMUX.AVC-G", "Remux-1080p", "Bluray-1080p Remux"),
        ("Lamp.2019.BluRay.REMUX.AVC-G", "Remux-1080p", "Bluray-1080p Remux"),
        ("Lamp.2019.720p.BluRay.REMUX.AVC-G", "Bluray-720p", "Bluray-720p"),
        ("Lamp.2019.2160p.BluRay.x265-G", "Bluray-2160p", "Bluray-2160p"),
        ("Lamp.2019.1080p.BluRay.x264-G", "Bluray-1080p", "Bluray-1080p"),
        ("Lamp.2019.576p.BluRay.x264-G", "Bluray-576p", "Bluray-576p"),
        ("Lamp.2019.BDRip.XviD-G", "Bluray-480p", "Bluray-480p"),
        ("Lamp.2019.COMPLETE.BLURAY-G", "BR-DISK", "Bluray-1080p"),
        ("Lamp.2019.1080p.Blu-ray.AVC.DTS-HD.MA.5.1.BD50-G", "BR-DISK", "Bluray-1080p"),
        ("Lamp.2019.2160p.WEB-DL.H.265-G", "WEBDL-2160p", "WEBDL-2160p"),
        ("Lamp.S01E01.1080p.WEB.H264-G", "WEBDL-1080p", "WEBDL-1080p"),
        ("Lamp.S01E01.720p.WEBRip.x264-G", "WEBRip-720p", "WEBRip-720p"),
        ("Lamp.S01E01.WEB-DL.x264-G", "WEBDL-480p", "WEBDL-480p"),
        ("Lamp.2019.1080p.HDRip.x264-G", "WEBRip-1080p", "WEBRip-1080p"),
        ("Lamp.S01E01.2160p.HDTV.x265-G", "HDTV-2160p", "HDTV-2160p"),
        ("Lamp.S01E01.720p.HDTV.x264-G", "HDTV-720p", "HDTV-720p"),
        ("Lamp.S01E01.HDTV.x264-G", "SDTV", "SDTV"),
        ("Lamp.S01E01.PDTV.XviD-G", "SDTV", "SDTV"),
        ("Lamp.S01E01.1080i.HDTV.MPEG2-G", "Raw-HD", "Raw-HD"),
        ("Lamp.2019.DVDRip.XviD-G", "DVD", "DVD"),
        ("Lamp.2019.PAL.DVDR-G", "DVD-R", "DVD"),
        ("Lamp.2019.DVDSCR.XviD-G", "DVDSCR", "DVD"),
        ("Lamp.2019.R5.XviD-G", "REGIONAL", "DVD"),
        ("Lamp.2019.HDCAM.x264-G", "CAM", "Unknown"),
        ("Lamp.2019.1080p.HDTS.x264-G", "TELESYNC", "Unknown"),
        ("Lamp.2019.TELECINE.x264-G", "TELECINE", "Unknown"),
        ("Lamp.2019.WORKPRINT.XviD-G", "WORKPRINT", "Unknown"),
        ("Lamp 2019", "Unknown", "Unknown"),
    ],
)
def test_the_quality_of_a_release(name: str, radarr: str, sonarr: str) -> None:
    release = parse(name)
    assert (quality(release, "radarr").name, quality(release, "sonarr").name) == (radarr, sonarr)


def test_only_radarr_tells_a_remux_by_a_modifier() -> None:
    remux = parse("Lamp.2019.1080p.BluRay.REMUX.AVC-G")
    assert (quality(remux, "radarr").source, quality(remux, "radarr").modifier) == ("bluray", "remux")
    assert (quality(remux, "sonarr").source, quality(remux, "sonarr").modifier) == ("bluray_raw", "none")


def test_every_quality_of_sonarr_has_ours() -> None:
    ours = [name for sonarr in SONARR for name in translated(sonarr, "sonarr")]
    assert set(ours) <= set(RADARR)
    assert len(ours) == len(set(ours))
    assert translated("Bluray-1080p Remux", "sonarr") == ("Remux-1080p",)
    assert translated("Bluray-1080p Remux", "radarr") == ()
    assert translated("Remux-1080p", "sonarr") == ()
