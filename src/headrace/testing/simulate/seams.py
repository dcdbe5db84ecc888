"""What the engine reaches the world through: the clock, the token store, the transport."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.errors import RequestFailed
from headrace.core.http import Request, Response
from headrace.sources.client import request_key
from headrace.sources.throttle import leaves

if TYPE_CHECKING:
    from headrace.testing.simulate.process import Process

_EPOCH = 1_750_000_000_000_000


class Seams:
    """The Clock, TokenStore and Transport of one process; its wall clock may be off by seconds."""

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world
        jump = self._world.random.choice((0, 0, 0, 0, 0, 0, -8, 5))
        self._epoch = _EPOCH + jump * 1_000_000

    def now(self) -> int:
        return self._epoch + int(self._world.loop.time() * 1e6)

    def monotonic(self) -> float:
        return self._world.loop.time()

    async def sleep(self, seconds: float) -> None:
        self._process.check_alive()
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return self._world.random.random()

    def random_bytes(self, n: int) -> bytes:
        return self._world.random.randbytes(n)

    def get_token(self, name: str) -> Mapping[str, Any] | None:
        return self._world.tokens.get(name)

    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        self._process.check_alive()
        if token is None:
            self._world.tokens.pop(name, None)
        else:
            self._world.tokens[name] = token

    def take_turn(self, name: str, owner: str) -> bool:
        return True

    def end_turn(self, name: str, owner: str) -> None:
        """The server that is simulated does not mind two renewals at once."""

    async def send(self, request: Request) -> Response:
        self._process.check_alive()
        world, api = self._world, self._world.api
        leaves()
        key = request_key(request) if request.slot else ""
        if key:
            self._process.open[key] = request.slot
            world.account.asked(self._process, request.slot)
        url = request.full_url
        fault = api.fault()
        self._process.faults += fault is not None
        world.note(self._process.number, f"asks {request.slot} {url}{f' ({fault})' if fault else ''}")
        latency = api.random.random() * (3.0 if fault == "slow" else 0.1)
        try:
            await asyncio.sleep(latency / 2)
            if fault == "refused":
                raise RequestFailed("the connection was refused")
            reply = api.serve(request, world.loop.time(), fault)
            if key and reply.status == 200:
                world.account.answered(key, request.slot)
                if reply.lost or fault == "mangled":
                    world.account.again[key] += 1
            await asyncio.sleep(latency / 2)
            self._process.check_alive()
            if reply.lost:
                raise RequestFailed("the connection was lost in the middle of the answer")
        except asyncio.CancelledError:
            self._give_up(key)
            raise
        except RequestFailed:
            self._process.open.pop(key, None)
            raise
        if reply.status != 200 or world.scenario.cache == "none":
            self._process.open.pop(key, None)
        return Response(reply.status, reply.headers, reply.body, url, self.now(), latency)

    def _give_up(self, key: str) -> None:
        """What was in flight may be asked for once more."""
        if self._process.open.pop(key, None) is not None:
            self._world.account.again[key] += 1

    async def close(self) -> None:
        pass
