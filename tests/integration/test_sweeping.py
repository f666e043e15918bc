"""What crashes leave in the library is swept, whatever else lies there."""

from pathlib import Path

import pytest

from apps.downloads import recycling
from sokoul.env import ENV

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ENV, "library_dir", tmp_path)
    return tmp_path


def test_a_folder_that_somebody_put_among_half_copied_files_stops_nothing(
    library: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recycling, "DAY", -1)  # the day on which a file came to its name cannot be set back
    staging = library / ".staging"
    (staging / "a folder" / "with more").mkdir(parents=True)
    for name in ("0", "a", "b", "z"):
        (staging / name).write_bytes(b"half")
    assert recycling.sweep() == 0
    assert [entry.name for entry in staging.iterdir()] == ["a folder"]
    assert caplog.text.count("stays there") == 1
    assert "a folder" in caplog.text
