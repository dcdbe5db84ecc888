"""The channel: in order, bounded in bytes, never stuck."""

import asyncio

from headrace.crawl.channel import Channel


def sized(bound: int) -> Channel[int]:
    return Channel(bound, lambda item: item)


async def test_items_leave_in_the_order_they_came() -> None:
    channel = sized(100)
    for item in (1, 2, 3):
        await channel.put(item)
    assert [channel.take(), channel.take(), channel.take(), channel.take()] == [1, 2, 3, None]


async def test_a_sender_waits_until_bytes_are_released() -> None:
    channel = sized(10)
    await channel.put(8)
    waiting = asyncio.create_task(channel.put(5))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert channel.starved
    assert channel.take() == 8
    assert not waiting.done(), "taken is not committed: its bytes still count"
    await channel.release([8])
    await waiting
    assert channel.take() == 5
    assert not channel.starved


async def test_one_item_above_the_bound_passes_alone() -> None:
    channel = sized(10)
    await asyncio.wait_for(channel.put(1000), 1)
    assert channel.take() == 1000


async def test_a_waiting_sender_wakes_the_receiver() -> None:
    """Otherwise the receiver could rest until its group is due while nothing can arrive."""
    channel = sized(10)
    await channel.put(10)
    assert channel.take() == 10
    assert channel.take() is None
    arrival = asyncio.create_task(channel.arrival(60))
    await asyncio.sleep(0)
    assert not arrival.done()
    sender = asyncio.create_task(channel.put(5))
    await asyncio.wait_for(arrival, 1)
    assert channel.starved
    await channel.release([10])
    await sender


async def test_closing_drains() -> None:
    channel = sized(10)
    await channel.put(1)
    channel.close()
    assert not channel.drained
    assert channel.take() == 1
    assert channel.drained
    await asyncio.wait_for(channel.arrival(None), 1)
