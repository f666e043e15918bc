"""Files, ports and locks of one installation."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from sokoul.stack import logfile, processes
from sokoul.stack.console import heed
from sokoul.stack.logfile import LogFile
from sokoul.stack.processes import free_port, started_at, write_private
from sokoul.stack.state import AlreadyRunningError, Installation


def test_a_private_file_is_whole_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    write_private(path, json.dumps([0] * 10_000))
    done = threading.Event()

    def write() -> None:
        for number in range(50):
            write_private(path, json.dumps([number] * 10_000))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert len(json.loads(path.read_text())) == 10_000
    writer.join()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_ports_lie_below_those_of_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < lowest for _ in range(20))


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not have been bound yet."""
    few = processes.ports()[:40]
    monkeypatch.setattr(processes, "ports", lambda: few)
    monkeypatch.setattr(processes, "_given", set(few[:20]))
    given = [free_port() for _ in range(5)]
    assert len(set(given)) == 5
    assert set(given) <= set(few[20:])
    monkeypatch.setattr(processes, "_given", set(few))
    with pytest.raises(OSError, match="no free"):
        free_port()


def test_the_lock_is_exclusive_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    assert not installation.is_locked()
    with installation.lock():
        assert installation.is_locked()
        assert installation.holder() == os.getpid()
        with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"), Installation(tmp_path).lock():
            pass
    assert not installation.is_locked()


def test_a_reused_process_number_is_not_taken_for_the_holder(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    with installation.lock():
        pass
    (tmp_path / "run" / "lock").write_text(f"{os.getpid()} 1\n")
    assert started_at(os.getpid()) != "1"
    assert installation.holder() is None


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_others_pass_through_a_new_data_dir_and_look_into_nothing(tmp_path: Path) -> None:
    """Whatever the umask is: a player reads the library below it, and nobody the names of what else there is."""
    data_dir = tmp_path / "deep" / "data"
    before = os.umask(0)
    try:
        with Installation(data_dir).lock():
            pass
    finally:
        os.umask(before)
    assert mode(data_dir) == 0o711
    assert mode(data_dir / "run") == 0o700


def test_a_data_dir_that_is_there_stays_as_its_owner_made_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with Installation(tmp_path).lock():
        pass
    assert mode(tmp_path) == 0o750
    assert mode(tmp_path / "run") == 0o700


def test_logs_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Mail that `console:` prints is in them."""
    before = os.umask(0)
    try:
        log = LogFile(tmp_path / "logs" / "bot.log")
        log.write(b"a mail with a code")
        log.close()
    finally:
        os.umask(before)
    assert (mode(tmp_path / "logs"), mode(tmp_path / "logs" / "bot.log")) == (0o700, 0o600)


def test_a_log_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfile, "MOST_BYTES", 100)
    log = LogFile(tmp_path / "web.log")
    for number in range(10):
        log.write(b"%03d\n" % number * 30)
    log.close()
    assert {path.name for path in tmp_path.iterdir()} == {"web.log.1", "web.log.2", "web.log.3"}
    assert (tmp_path / "web.log.1").read_bytes().startswith(b"009")


def test_a_log_outlives_a_full_disk_and_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.symlink_to("/dev/full")
    log = LogFile(path)
    log.write(b"lost\n")
    log.write(b"lost too\n")
    path.unlink()
    log.write(b"kept\n")
    log.close()
    assert path.read_text() == "(14 bytes of log could not be written before this line)\nkept\n"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('{"level": "INFO", "message": "fine"}', None),
        ('{"level": "WARN", "message": "hm"}', "hm"),
        ('{"level": "ERROR", "message": "oh", "service": "serve", "component": "nats"}', "oh (component: nats)"),
        ("Segmentation fault", "Segmentation fault"),
        ("", None),
        ("[1]", "[1]"),
    ],
)
def test_people_see_warnings_and_last_words(line: str, wanted: str | None) -> None:
    assert heed(line) == wanted
