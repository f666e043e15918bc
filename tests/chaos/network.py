"""What goes wrong on the way between two programs: loss and silence by nftables, slowness by a proxy in between.

All rules live in one table of this namespace, which is written anew, in one transaction, whenever one comes or goes.
"""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

_MARKED = 7  # the mark of the proxies' own packets, which are not sent round again
_SO_MARK = 36  # asm-generic/socket.h


class Network:
    """`ports` by the name of what listens there."""

    def __init__(self, ports: dict[str, int]) -> None:
        self.ports = ports
        self._dropped: list[str] = []
        self._redirected: list[str] = []
        self._apply()

    @asynccontextmanager
    async def lossy(self, target: str, percent: int) -> AsyncIterator[None]:
        """So many of a hundred packets from or to the target are lost; of all packets for "everything"."""
        lost = f"numgen random mod 100 < {percent} drop"
        async with self._ruled(self._dropped, _both_ways(self.ports.get(target), lost)):
            yield

    @asynccontextmanager
    async def cut_off(self, target: str) -> AsyncIterator[None]:
        """Nothing passes from or to the target, and nobody is told."""
        async with self._ruled(self._dropped, _both_ways(self.ports[target], "drop")):
            yield

    @asynccontextmanager
    async def slow(self, target: str, seconds: float) -> AsyncIterator[None]:
        """Whoever is connected is cut; who connects anew waits so long for the way there and back."""
        proxy = SlowProxy(self.ports[target], seconds / 2)
        port = await proxy.start()
        rule = f"tcp dport {self.ports[target]} meta mark != {_MARKED} redirect to :{port}"
        try:
            async with self._ruled(self._redirected, [rule]):
                await _cut(self.ports[target])
                yield
        finally:
            await proxy.stop()

    @asynccontextmanager
    async def _ruled(self, chain: list[str], rules: Sequence[str]) -> AsyncIterator[None]:
        chain.extend(rules)
        self._apply()
        try:
            yield
        finally:
            for rule in rules:
                chain.remove(rule)
            self._apply()

    def _apply(self) -> None:
        script = [
            "table ip chaos",
            "delete table ip chaos",
            "table ip chaos {",
            "chain redirected { type nat hook output priority -100;",
            *self._redirected,
            "}",
            "chain dropped { type filter hook output priority 0;",
            *self._dropped,
            "}",
            "}",
        ]
        subprocess.run(["nft", "-f", "-"], input="\n".join(script), text=True, check=True)


def _both_ways(port: int | None, verdict: str) -> list[str]:
    return [f"oif lo {verdict}"] if port is None else [f"tcp {way} {port} {verdict}" for way in ("dport", "sport")]


async def _cut(port: int) -> None:
    """Close every connection to a port; where the kernel cannot, they stay."""
    process = await asyncio.create_subprocess_exec(
        "ss",
        "-K",
        "-tn",
        "dport",
        "=",
        f":{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.wait()


class SlowProxy:
    """Passes everything on to a port of this machine, each way so many seconds later. Its end resets whoever is connected."""

    def __init__(self, port: int, seconds: float) -> None:
        self._port, self._seconds = port, seconds
        self._pumps: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """The port that it listens on."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind = await asyncio.open_connection(sock=await _connected(self._port))
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, behind[1]), (behind[0], writer)):
            self._pumps.add(pump := asyncio.create_task(self._pump(source, sink)))
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """What comes is passed on in its order; the end too."""
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        reading = asyncio.create_task(self._read(source, on_its_way))
        try:
            while True:
                due, data = await on_its_way.get()
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                if not data:
                    return
                sink.write(data)
                await sink.drain()
        except OSError:
            return
        finally:
            reading.cancel()
            sink.close()

    async def _read(self, source: asyncio.StreamReader, on_its_way: "asyncio.Queue[tuple[float, bytes]]") -> None:
        data = b"?"
        while data:
            try:
                data = await source.read(65536)
            except OSError:
                data = b""
            on_its_way.put_nowait((asyncio.get_running_loop().time() + self._seconds, data))


async def _connected(port: int) -> socket.socket:
    link = socket.socket()
    link.setblocking(False)
    link.setsockopt(socket.SOL_SOCKET, _SO_MARK, _MARKED)
    await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", port))
    return link
