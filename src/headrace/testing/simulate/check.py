"""What must be true once a run has come to its end, whatever happened on the way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from headrace.core.tables import Checkpoint, RawPage, StreamKey, page_time
from headrace.crawl.extract import FINISHED
from headrace.testing.simulate.model import Row
from headrace.testing.simulate.scenario import RUN
from headrace.testing.simulate.world import World


def check_end(world: World, status: str) -> Iterator[str]:
    """Every broken promise."""
    s = world.scenario
    if s.lies and status == "done":
        yield "the run is done, although the API gave fewer records than it declared"
    pages = list(world.place.pages())
    standing = {at.key: at for at in world.place.checkpoints()}
    for stream, records in world.api.lists.items():
        step, _, slice = stream.partition("/")
        at = standing.get(StreamKey(RUN, step, slice))
        own = [page for page in pages if (page.step, page.slice) == (step, slice)]
        if at is None:
            if own or status == "done":
                yield f"stream {stream}: {len(own)} pages, and no checkpoint"
            continue
        yield from _raw(world, at, own)
        if status == "done":
            yield from _whole(world, stream, at, own, [record.id for record in records])
    for plan in world.plans:
        yield from _finish(world, plan.step, standing, pages, status)
        yield from _tables(world, plan.step, pages, status)


def _ids(pages: Iterable[RawPage]) -> list[int]:
    return [item["id"] for page in pages for item in json.loads(page.body)["items"]]


def _raw(world: World, at: Checkpoint, pages: list[RawPage]) -> Iterator[str]:
    numbers = sorted(page.page_number for page in pages)
    if numbers != list(range(1, at.page_number + 1)):
        yield f"stream {at.key.step}/{at.key.slice} stands at page {at.page_number}, kept are {numbers}"
    for page in pages:
        if page.body not in world.api.bodies.get(f"{page.step}/{page.slice}/{page.page_number}", ()):
            yield f"page {page.page_number} of {page.step}/{page.slice} is not what the API said: {page.body!r}"
    if at.page_number > world.scenario.max_pages:
        yield f"stream {at.key.step}/{at.key.slice} went on to page {at.page_number}"


def _whole(world: World, stream: str, at: Checkpoint, pages: list[RawPage], there: list[int]) -> Iterator[str]:
    ids = _ids(sorted(pages, key=lambda page: page.page_number))
    if not at.done:
        yield f"the run is done, stream {stream} is not"
    # What is added behind a short page while numbered pages are read is missed by anyone.
    first = there[: world.api.initial[stream]]
    added = [id for id in ids if id not in first]
    if [id for id in ids if id in first] != first or added != [id for id in there if id in set(added)]:
        yield f"stream {stream}: the API has {there}, kept are {ids}"
    if at.rows != len(ids):
        yield f"stream {stream}: the checkpoint counts {at.rows} records of {len(ids)}"


def _finish(
    world: World, step: str, standing: dict[StreamKey, Checkpoint], pages: list[RawPage], status: str
) -> Iterator[str]:
    at = standing.get(StreamKey(RUN, step, FINISHED))
    if at is None:
        if status == "done":
            yield f"the run is done, step {step} was not finished"
        return
    ids = _ids(page for page in pages if page.step == step)
    if at.rows != len(ids):
        yield f"step {step} finished with {at.rows} records, kept are {len(ids)}"
    if world.scenario.incremental and at.memo.get("mark") != max(ids, default=None):
        yield f"step {step} finished with the mark {at.memo.get('mark')}, the greatest is {max(ids, default=None)}"
    finishes = [finish.complete for finish in world.place.store.finishes if finish.step == step]
    if world.scenario.database == "model" and finishes != [not world.scenario.incremental]:
        yield f"step {step} was finished as {finishes}"


def _tables(world: World, step: str, pages: list[RawPage], status: str) -> Iterator[str]:
    rows = sorted(
        (page.page_id, number, item["id"], item["name"], item["v"])
        for page in pages
        if page.step == step
        for number, item in enumerate(json.loads(page.body)["items"])
    )
    if world.scenario.database == "model":
        kept = world.place.store.rows.get(step, [])
        if Counter(kept) != Counter(rows):
            yield f"table {step}: {_difference(kept, rows)}"
        return
    if status != "done" and not rows:
        return  # the step may never have begun
    write = world.scenario.write if step == "items" else "append"
    keyed = world.scenario.keyed and step == "items"
    if write in ("replace", "sync") and (status != "done" or (write == "sync" and world.scenario.incremental)):
        return  # nothing is inferred before the end
    if write == "replace" and world.scenario.incremental:
        return  # an incomplete scope replaces nothing
    columns = ["id", "name", "v"]
    if write == "scd2":
        columns += ["valid_from", "valid_to"]
    found = [tuple(map(_text, row)) for row in world.place.table(step, columns)]
    expected = [tuple(map(_text, row)) for row in _applied(rows, write, keyed)]
    if write == "append" and keyed:  # the first to be committed stays: which one that is depends on the order
        found = [row[:1] for row in found]
        expected = [row[:1] for row in expected]
    if Counter(found) != Counter(expected):
        yield f"table {step}: {_difference(found, expected)}"


def _applied(rows: list[Row], write: str, keyed: bool) -> list[tuple[Any, ...]]:
    """What a disposition makes of all rows, in order of their pages."""
    if write == "scd2":
        return _history(rows)
    values = [row[2:] for row in rows]
    return list({row[0]: row for row in values}.values()) if keyed else values


def _history(rows: list[Row]) -> list[tuple[Any, ...]]:
    versions: dict[int, list[list[Any]]] = {}
    for page, _, id, name, v in rows:
        history = versions.setdefault(id, [])
        if not history or history[-1][1:3] != [name, v]:
            if history:
                history[-1][4] = page_time(page)
            history.append([id, name, v, page_time(page), None])
    return [tuple(version) for history in versions.values() for version in history]


def _text(value: Any) -> str:
    """One text for a value, whatever type a database has for it; a moment as microseconds."""
    from datetime import UTC, datetime

    if isinstance(value, str) and value[4:5] == "-" and "T" in value.replace(" ", "T"):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return str(int(moment.timestamp() // 1) * 1_000_000 + moment.microsecond)
    return str(value)


def _difference(found: Iterable[Any], expected: Iterable[Any]) -> str:
    lost, more = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    return f"missing {list(lost.elements())[:5]}, too many {list(more.elements())[:5]}"
