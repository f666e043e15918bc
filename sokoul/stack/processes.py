"""What the stack needs from Linux: children that die with their parent, free ports, private files."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before any fork: a preexec function must not import
_LOWEST_PORT = 15000
_given: set[int] = set()


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """A preexec_fn: the kernel sends `death_signal` to the child when the thread that spawned it ends.

    Spawn from the main thread only; the setting survives exec and `unshare`, not setuid.
    """
    parent = os.getpid()

    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    death_signal: signal.Signals,
    output: int,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that the terminal's Ctrl-C does not reach it; input is closed.

    Call it from the main thread. `output` is a descriptor, or subprocess.PIPE or DEVNULL.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns of preexec_fn beside threads; ours makes two system calls and takes no lock.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(  # noqa: S603 - our own command line
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(death_signal),
        )


def set_own_death_signal(death_signal: signal.Signals) -> None:
    """This process itself gets `death_signal` when its parent ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def started_at(pid: int) -> str | None:
    """When a living process started, in clock ticks since boot; None for a dead one. With its pid it names a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]  # proc_pid_stat(5): state is field 3, starttime field 22


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is no obstacle
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A free loopback port below the range that outgoing connections use.

    Inside that range a client that retries while its server is down may be given the server's own port as its source,
    connect to itself and keep the server from coming back. Never the same twice: whoever got it may not have bound it yet.
    """
    choice = ports()
    for port in random.sample(choice, len(choice)):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise OSError("no free loopback port found")


def ports() -> Sequence[int]:
    """What `free_port` chooses from."""
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    highest = first_ephemeral - 1 if first_ephemeral > _LOWEST_PORT + 1000 else 65535
    return range(_LOWEST_PORT, highest + 1)


def write_private(path: Path, text: str) -> None:
    """Replace a file at once and whole; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def kill_leftovers(program: str, folder: Path, within: float = 5.0) -> None:
    """Kill every process of `program` that works in `folder`: what an earlier run left behind, perhaps frozen."""
    deadline = time.monotonic() + within
    while (found := _workers_in(folder, program)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _workers_in(folder: Path, program: str) -> list[int]:
    entries = (entry for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [int(entry.name) for entry in entries if _works_in(entry, program, folder)]


def _works_in(process: Path, program: str, folder: Path) -> bool:
    try:
        return (process / "exe").readlink().name == program and (process / "cwd").readlink() == folder
    except OSError:  # ended meanwhile, or somebody else's
        return False
