"""The least that asks for slices: ``bare.py URL SLICES CONNECTIONS`` reads each answer, keeps nothing, prints the records."""

from __future__ import annotations

import asyncio
import sys

import aiohttp


async def main(url: str, slices: int, connections: int) -> None:
    numbers, records = iter(range(slices)), 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal records
        for number in numbers:
            async with session.get(f"{url}/shows", params={"slice": number}) as answer:
                records += len((await answer.json())["shows"])

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(work(session))
    print(records)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
