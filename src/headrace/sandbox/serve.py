"""A sandbox in the foreground."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from headrace.sandbox.options import Options
from headrace.sandbox.server import Server


async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    options: Options | None = None,
    ready: Callable[[str], object] | None = None,
) -> None:
    """Serve until cancelled; ``ready`` gets the URL once requests are answered. Raises OSError when the
    address cannot be bound, RuleError for a fault rule that cannot be read."""
    server = Server(options)
    await server.start(host, port)
    try:
        if ready is not None:
            ready(server.url)
        await asyncio.Event().wait()
    finally:
        await server.close()
