"""Polls and listens: ``service_load.py URL SECONDS RUN_ID …`` prints what it found as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp

POLLS, STREAMS = 200, 100


async def main(url: str, seconds: float, ids: list[str]) -> None:
    taken: list[float] = []
    lags: list[float] = []
    failed = whole = events = 0
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, timeout=aiohttp.ClientTimeout(total=600)) as session:

        async def poll(at: float, number: int) -> None:
            nonlocal failed
            try:
                async with session.get(f"/pipeline/status/{ids[number % len(ids)]}") as answer:
                    await answer.read()
                    failed += answer.status != 200
            except aiohttp.ClientError:
                failed += 1
            taken.append(time.perf_counter() - at)  # from when it was due

        async def listen(number: int) -> None:
            nonlocal whole, events
            last, seen, kind = 0, True, ""
            async with session.get(f"/runs/{ids[number % len(ids)]}/events") as answer:
                opened.release()
                async for line in answer.content:
                    if line.startswith(b"id: "):
                        this = int(line[4:])
                        seen = seen and this == last + 1
                        last = this
                        events += 1
                    elif line.startswith(b"event: "):
                        kind = line[7:].strip().decode()
                    elif line.startswith(b"data: ") and kind == "status":
                        shown = json.loads(line[6:])
                        if shown["running"] and shown["updated_at"]:
                            lags.append(time.time() - _seconds(shown["updated_at"]))
            whole += seen and kind == "end"

        opened = asyncio.Semaphore(0)
        streams = [asyncio.create_task(listen(number)) for number in range(STREAMS)]
        for _ in streams:
            await opened.acquire()
        polls: list[asyncio.Task[None]] = []
        began = time.perf_counter()
        for number in range(int(seconds * POLLS)):
            due = began + number / POLLS
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            polls.append(asyncio.create_task(poll(due, number)))
        await asyncio.gather(*polls)
        spent = time.perf_counter() - began
        await asyncio.gather(*streams)
    taken.sort()
    lags = sorted(lags)[len(lags) // 20 :]
    print(
        json.dumps({
            "polls": len(taken), "rate": len(taken) / spent, "p50": 1000 * taken[len(taken) // 2],
            "p99": 1000 * taken[int(0.99 * len(taken))], "most": 1000 * taken[-1], "failed": failed, "streams": STREAMS,
            "whole": whole, "events": events, "lag": 1000 * lags[int(0.99 * len(lags))] if lags else 0.0,
        })
    )  # fmt: skip


def _seconds(text: str) -> float:
    import datetime as dt

    return dt.datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
