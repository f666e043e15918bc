"""The sequence of `make up`: servers, setup, demo providers, then the components; and their stop."""

import asyncio
import http.client
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sokoul.env import ENV, gather
from sokoul.stack import console
from sokoul.stack.embedded import ENVIRONMENT, Server, ServerError
from sokoul.stack.logfile import LogFile
from sokoul.stack.plan import SERVERS, CannotStartError, Plan, fill_servers, make_plan
from sokoul.stack.processes import die_with_parent, set_own_death_signal
from sokoul.stack.state import AlreadyRunningError, Installation, Part
from sokoul.stack.supervisor import Component, Stage, Supervisor
from sokoul.stack.undertaker import Undertaker

MANAGE = Path(__file__).resolve().parent.parent.parent / "manage.py"
PROGRAMS: tuple[tuple[str, str, Stage], ...] = (  # component, command of manage.py, when it stops
    ("web", "serve", Stage.WEB),
    ("scout", "scout", Stage.WORKERS),
    ("hunter", "hunter", Stage.WORKERS),
    ("bot", "bot", Stage.WORKERS),
    ("relay", "relay", Stage.RELAY),
)
SETUP: Sequence[str] = (sys.executable, str(MANAGE), "setup")
READY_WITHIN = 60.0
_POLL = 0.05


class Stack:
    """One installation while it runs."""

    def __init__(
        self, plan: Plan, given: Mapping[str, str], installation: Installation, screen: console.Console
    ) -> None:
        self.plan = plan
        self.given = given
        self.installation = installation
        self.screen = screen
        self.undertaker = Undertaker({server.program: server.working_folder for server in plan.servers.values()})
        self.environment = {**_children_environment(plan), **self.undertaker.mark}
        self.supervisor = Supervisor(installation.data_dir / "logs", screen.say, self._changed)
        host = "127.0.0.1" if ENV.bind in {"0.0.0.0", "::", ""} else ENV.bind  # noqa: S104 - compared, not bound
        self.web_url = f"http://{f'[{host}]' if ':' in host else host}:{plan.port}"

    async def run(self) -> None:
        """Bring everything up and keep it up until SIGINT or SIGTERM; everything is stopped when this ends, however."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        asked = asyncio.create_task(stop.wait())
        coming_up = asyncio.create_task(self._bring_up())
        try:
            await asyncio.wait({asked, coming_up}, return_when=asyncio.FIRST_COMPLETED)
            if coming_up.done():
                coming_up.result()
                await self._watch(asked)
        finally:
            self.screen.say("Stopping…")
            coming_up.cancel()
            with suppress(asyncio.CancelledError, CannotStartError):
                await coming_up
            await self.supervisor.stop()
            self.undertaker.dismiss()
            (self.installation.run / "stack.json").unlink(missing_ok=True)
            self.screen.say("Stopped. `make up` starts it again, with all its data.")

    async def _watch(self, asked: asyncio.Task[bool]) -> None:
        """Wait for the order to stop. A supervising task that ends before is a fault of ours, and ends the stack too."""
        tasks = self.supervisor.tasks.values()
        done, _ = await asyncio.wait({asked, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _bring_up(self) -> None:
        for server in self.plan.servers.values():
            self.supervisor.start(_server_component(server, self.undertaker.mark))
        if self.plan.demo_port:
            self._start_demo(self.plan.demo_port)
        servers = self.plan.servers.values()
        await asyncio.gather(*(_until(server.answers, self._give_up(server.name)) for server in servers))
        await self._set_up()
        if self.plan.demo_port:
            await _until(lambda: answers(f"127.0.0.1:{self.plan.demo_port}", "/control/health"), self._worry("demo"))
        for name, command, stage in PROGRAMS:
            self._start_program(name, command, stage)
        host = self.web_url.removeprefix("http://")
        await _until(lambda: answers(host, "/health"), self._worry("web"))
        self._announce()

    def _give_up(self, name: str) -> Callable[[], None]:
        def late() -> None:
            raise CannotStartError(f"{name} does not answer. {self._log(name)} says why.")

        return late

    def _worry(self, name: str) -> Callable[[], None]:
        return lambda: self.screen.say(f"{name} does not answer yet. {self._log(name)} may say why.", "yellow")

    def _log(self, name: str) -> Path:
        return self.installation.data_dir / "logs" / f"{name}.log"

    def _start_program(self, name: str, command: str, stage: Stage) -> None:
        url = self.web_url if name == "web" else None
        line = [sys.executable, str(MANAGE), command]
        self.supervisor.start(Component(name, line, stage, self.environment, url, heed=console.heed))

    def _start_demo(self, port: int) -> None:
        folder = self.installation.data_dir / "demo"
        line = [sys.executable, str(MANAGE), "demo", "--port", str(port), "--data-dir", str(folder)]
        self.supervisor.start(Component("demo", line, Stage.DEMO, self.environment, heed=console.heed))

    async def _set_up(self) -> None:
        """Run the setup process. Its JSON lines are logged; the rest, an admin's password above all, is only shown."""
        log = LogFile(self._log("setup"))
        process = await asyncio.create_subprocess_exec(
            *SETUP,
            limit=2**20,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                if line.startswith(b"{"):
                    log.write(line)
                elif text := line.decode(errors="replace").rstrip():
                    self.screen.say(text)
            if await process.wait():
                raise CannotStartError(f"The setup failed; details are in {log.path}.")
        finally:
            log.close()
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _changed(self, parts: Mapping[str, Part]) -> None:
        """Write stack.json: exactly the components of the product, those not yet started without a pid."""
        given: dict[str, Part] = {
            kind.name: {"pid": None, "url": self.given.get(name)} for name, kind in SERVERS.items()
        }
        later: dict[str, Part] = {name: {"pid": None, "url": None} for name, _, _ in PROGRAMS}
        try:
            self.installation.write_stack({name: parts.get(name, part) for name, part in {**given, **later}.items()})
        except OSError as error:  # a full disk is no reason to stop
            self.screen.say(f"stack.json could not be written: {error.strerror}", "red")

    def _announce(self) -> None:
        rows = []
        for name in [*(kind.name for kind in SERVERS.values()), *(name for name, _, _ in PROGRAMS)]:
            child = self.supervisor.children.get(name)
            where = f"process {child.pid}" if child else "as configured"
            rows.append((name, "running" if child is None or child.pid else "starting", where))
        self.screen.table(rows)
        if self.plan.stand_ins:
            names = ", ".join(self.plan.stand_ins)
            self.screen.say(f"Demo providers stand in for: {names}. .env.example says how to name your own.", "yellow")
        self.screen.say(f"Sokoul is ready: {ENV.public_url or f'http://localhost:{self.plan.port}'}", "bold green")


def answers(host: str, path: str) -> bool:
    """Does an HTTP GET give 200 within 3 s?"""
    connection = http.client.HTTPConnection(host, timeout=3)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


async def _until(condition: Callable[[], bool], late: Callable[[], None]) -> None:
    """Wait for the condition; `late` is called each time that READY_WITHIN has passed in vain."""
    deadline = time.monotonic() + READY_WITHIN
    while not await asyncio.to_thread(condition):
        if time.monotonic() > deadline:
            late()
            deadline += READY_WITHIN
        await asyncio.sleep(_POLL)


def _server_component(server: Server, mark: Mapping[str, str]) -> Component:
    return Component(
        server.name,
        server.command(),
        Stage.SERVERS,
        {**ENVIRONMENT, **mark},
        server.url,
        folder=server.home,
        stop_signal=server.stop_signal,
        death_signal=server.death_signal,
        clear=server.clear,
    )


def _children_environment(plan: Plan) -> dict[str, str]:
    """What was given, what was filled in; byte code may be kept, because every component loads the same modules.

    A generated JWT_SECRET is left in DATA_DIR/.env, which they read again and again: so it can be rotated while they run.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
    }
    own = {name: value for name, value in plan.filled.items() if name != "JWT_SECRET"}
    return {**inherited, **own, "PYTHONUNBUFFERED": "1"}


def _belong_to_make() -> None:
    """A `make` that is killed −9 must not leave us behind."""
    with suppress(OSError):
        if Path(f"/proc/{os.getppid()}/comm").read_text().strip() in {"make", "gmake"}:
            set_own_death_signal(signal.SIGKILL)


def main() -> int:
    """Run the stack of DATA_DIR in the foreground; gives the exit status."""
    _belong_to_make()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that goes away leaves the stack running: `make down`
    screen = console.Console()
    try:
        return _run(screen)
    except KeyboardInterrupt:
        return 130
    finally:
        screen.close()


def _run(screen: console.Console) -> int:
    given = gather(generated=False)
    installation = Installation(Path(given.get("DATA_DIR") or "var").expanduser())
    try:
        with installation.lock():
            plan = make_plan(given, installation)
            fill_servers(plan)
            installation.write_environment(plan.filled)
            asyncio.run(Stack(plan, given, installation, screen).run())
    except AlreadyRunningError as error:
        _complain(f"Sokoul is already running in {installation.data_dir}{error}. `make down` stops it.")
        return 1
    except (CannotStartError, ServerError) as error:
        _complain(str(error))
        return 2
    except OSError as error:
        _complain(f"{error.filename or installation.data_dir}: {error.strerror or error}")
        return 2
    return 0


def _complain(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(text + "\n")
