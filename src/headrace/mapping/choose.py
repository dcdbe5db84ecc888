"""Which row stays where several have one key: ``prefer`` within a record, page order between records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headrace.mapping.config import Prefer


def keep(
    keys: Sequence[tuple[Any, ...]],
    records: Sequence[int],
    prefer: Sequence[Prefer],
    values: Callable[[str], Sequence[Any]],
    *,
    first: bool,
) -> list[int] | None:
    """The rows that stay, in order; ``None`` when all do.

    ``values(column)`` is asked only when rows share record and key. Between records the last
    wins, or the ``first`` (append with a key: what is there stays).
    """
    if len(set(keys)) == len(keys):
        return None
    within: dict[tuple[Any, ...], int] = {}
    for row, place in enumerate(zip(keys, records, strict=True)):
        other = within.get(place)
        if other is None or not _better(other, row, prefer, values):
            within[place] = row
    chosen: dict[tuple[Any, ...], int] = {}
    for row in sorted(within.values()):
        if first:
            chosen.setdefault(keys[row], row)
        else:
            chosen[keys[row]] = row
    return sorted(chosen.values())


def _better(a: int, b: int, prefer: Sequence[Prefer], values: Callable[[str], Sequence[Any]]) -> bool:
    for rule in prefer:
        column = values(rule.column)
        ours, theirs = column[a], column[b]
        if ours == theirs:
            continue
        if ours is None or theirs is None:
            return theirs is None
        if rule.order == "present":
            continue
        if isinstance(rule.order, list):
            places: Mapping[str, int] = {text: at for at, text in enumerate(rule.order)}
            mine, others = places.get(_word(ours), len(places)), places.get(_word(theirs), len(places))
            if mine != others:
                return mine < others
            continue
        return bool(ours < theirs) if rule.order == "asc" else bool(ours > theirs)
    return False


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
