"""The README's curl lines do the main job, copied as they stand."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.product import ROOT, Product

README = (ROOT / "README.md").read_text()


@pytest.mark.stack
def test_the_lines_over_rest_work_as_they_stand(product: Product, tmp_path: Path) -> None:
    section = README.partition("## The same over REST")[2]
    lines = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0]
    assert lines.count("http://localhost:3000") == 1
    product.start(TRUSTED_IPS="")  # the limits hold, as they do for whoever tries this
    script = "set -eu\n" + lines.replace("http://localhost:3000", product.url)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Resolution" in done.stdout, "the reasons were shown"
    film = hashlib.sha256((tmp_path / "film.mp4").read_bytes()).hexdigest()
    assert film in {sha for torrent in product.demo.torrents() for sha in torrent.sha256.values()}


def test_it_shows_the_two_commands() -> None:
    assert "make up" in README
    assert "make test" in README
