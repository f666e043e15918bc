"""The pulse of the workers: fresh while their loops turn, stale when one stands still, whatever the others do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sokoul import pulse
from tests.product import ROOT, Product
from tests.waiting import until

OF = {"hunter": {"hunter", "session"}, "relay": {"relay"}}


def asked(name: str, data_dir: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "sokoul.pulse", name],
        cwd=ROOT, env={"DATA_DIR": str(data_dir), "DOTENV": os.devnull}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.strip()


def age(file: Path, seconds: float) -> None:
    os.utime(file, (time.time() - seconds, time.time() - seconds))


@pytest.mark.stack
def test_every_loop_of_a_worker_has_a_pulse_and_a_frozen_one_has_none(product: Product) -> None:
    folder = product.folder / "run" / "pulse"
    assert asked("relay", product.folder) == (1, "no pulse of relay on this host yet")
    product.start(*OF)
    for name, parts in OF.items():
        until(lambda name=name, parts=parts: len(list(folder.glob(f"*-{name}-*"))) == len(parts), 30, name)
        assert asked(name, product.folder) == (0, "ok")
    product.signal("hunter", signal.SIGSTOP)
    (session,) = folder.glob("*-session")
    age(session, pulse.STALE + 10)
    assert asked("hunter", product.folder) == (1, "stands still: session")
    assert asked("relay", product.folder) == (0, "ok")
    product.signal("hunter", signal.SIGCONT)
    until(lambda: asked("hunter", product.folder) == (0, "ok"), 30, "the hunter's pulse")


def test_only_what_has_a_pulse_can_be_asked(tmp_path: Path) -> None:
    for name in ("web", "nonsense"):
        assert asked(name, tmp_path) == (2, "")


def test_a_command_leaves_no_trace_and_litter_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "FOLDER", tmp_path / "pulse")
    monkeypatch.setattr(pulse, "_last", {})
    pulse.beat("scout")
    assert not pulse.FOLDER.exists()
    monkeypatch.setattr(pulse.component, "IS_COMPONENT", True)
    monkeypatch.setattr(pulse.component, "NAME", "scout")
    pulse.FOLDER.mkdir()
    for name, seconds in (("gone-scout-scout", 2 * pulse.LITTER), ("other-scout-scout", 60.0)):
        (pulse.FOLDER / name).touch()
        age(pulse.FOLDER / name, seconds)
    pulse.beat("scout")
    assert set(pulse.ages("scout")) == {"scout"}
    assert not (pulse.FOLDER / "gone-scout-scout").exists()
    assert (pulse.FOLDER / "other-scout-scout").exists()
