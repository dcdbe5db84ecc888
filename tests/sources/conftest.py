"""Real servers on loopback, a clock whose sleeps take no time, and everything between a request and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from headrace.core.contracts import Auth, Secret
from headrace.core.events import Event
from headrace.core.http import Response
from headrace.secrets.mask import Masker
from headrace.sources.client import ApiClient
from headrace.sources.http import AiohttpTransport
from headrace.sources.ratelimit import RateLimit

FAST = RateLimit(requests_per_second=1_000_000, concurrency=50)


class FakeClock:
    """Sleeping moves the time and gives way to other tasks; ``slept`` lists every sleep."""

    def __init__(self, random: float = 0.5) -> None:
        self.time = 1_000.0
        self.slept: list[float] = []
        self.chance = random

    def now(self) -> int:
        return 1_790_000_000_000_000 + int(self.time * 1e6)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.time + seconds
        await asyncio.sleep(0)
        self.time = max(self.time, until)

    def random(self) -> float:
        return self.chance

    def random_bytes(self, n: int) -> bytes:
        return bytes(n)


class DictCache(dict[str, Response]):
    def put(self, key: str, response: Response) -> Response:
        self[key] = response
        return response


@dataclass
class Rig:
    """A client with everything that a test may want to look at."""

    clock: FakeClock
    masker: Masker = field(default_factory=Masker)
    events: list[Event] = field(default_factory=list)
    transport: AiohttpTransport = None  # type: ignore[assignment]  # set at once by the fixture
    made: list[ApiClient] = field(default_factory=list)

    def client(
        self, *, auth: Auth | None = None, secret: Secret | None = None, limit: RateLimit = FAST, **more: Any
    ) -> ApiClient:
        return ApiClient(
            transport=more.pop("transport", self.transport), auth=auth, secret=secret, rate_limit=limit, clock=self.clock,
            emit=self.events.append, run_id="r", step="s", masker=self.masker, **more,
        )  # fmt: skip

    def cache(self) -> DictCache:
        return DictCache()

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def rig(clock: FakeClock) -> AsyncIterator[Rig]:
    rig = Rig(clock)
    rig.transport = AiohttpTransport(clock)
    yield rig
    await rig.transport.close()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Start a server that gives every request to one handler; returns its base URL."""
    runners: list[web.ServerRunner] = []

    async def start(handler: Handler) -> str:
        runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type]  # a web.BaseRequest is what comes
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


class RawServer:
    """Answers the n-th connection with the n-th script (the last one for all further), then hangs up.

    A script is bytes; ``None`` in place of one holds the connection open in silence. The first ``resets`` end by a reset.
    """

    def __init__(self, scripts: list[bytes | None], resets: int) -> None:
        self.scripts, self.resets = scripts, resets
        self.heads: list[bytes] = []
        self.closed = asyncio.Event()
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            script = self.scripts[min(len(self.heads), len(self.scripts) - 1)]
            self.heads.append(head)
            if script is None:
                await reader.read()
            else:
                writer.write(script)
                await writer.drain()
                if len(self.heads) <= self.resets:
                    writer.transport.abort()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.closed.set()


@pytest.fixture
async def raw() -> AsyncIterator[Callable[..., Awaitable[RawServer]]]:
    """Start a server that writes exact bytes."""
    servers: list[asyncio.Server] = []

    async def start(*scripts: bytes | None, resets: int = 0) -> RawServer:
        raw = RawServer(list(scripts), resets)
        server = await asyncio.start_server(raw.handle, "127.0.0.1", 0)
        servers.append(server)
        raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        return raw

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()
