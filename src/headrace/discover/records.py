"""Where the records of an answer are, what identifies them, and what columns they make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.contracts import Limits
from headrace.core.errors import AnswerError

_USUAL = frozenset({
    "data", "items", "results", "records", "value", "values", "entries", "rows", "elements", "objects", "members", "list",
    "edges", "nodes", "content", "hits", "docs",
})  # fmt: skip
_DEEPEST = 6
_FLATTENED = 8
"""Members of a nested object that become columns of their own; a larger one stays JSON."""
_KEYS = ("id", "@id", "_id", "uuid", "guid", "key", "gid", "slug", "code", "number", "isbn", "sku", "name")
_VALUE = re.compile(r"-?\d{1,18}")
_DATED = re.compile(r"-?\d{1,18}|\d{4}-\d\d(?:-\d\d)?(?:T.*)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True)
class Found:
    """A list of records in an answer."""

    path: str
    records: Sequence[Mapping[str, Any]]
    rank: float


def name_text(name: str) -> str:
    """One segment of a path."""
    if re.fullmatch(r'[^."*^\s][^."]*', name):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def path_text(segments: Sequence[str]) -> str:
    return ".".join(segment if segment == "*" else name_text(segment) for segment in segments)


def lists(document: Any) -> list[Found]:
    """The lists of objects in an answer, the likeliest to be its records first."""
    found = [_through_nodes(at, records, name) for at, records, name in _walk(document, (), 0)]
    return sorted(found, key=lambda one: -one.rank)


def records_of(document: Any, place: str) -> list[Found]:
    """:func:`lists`. Raises AnswerError where there is none."""
    found = lists(document)
    if not found:
        if isinstance(document, dict):
            said = f"it has the keys {', '.join(list(document)[:20]) or '(none)'}"
        else:
            said = "it is empty" if document in ([], None) else f"it is a {type(document).__name__} of no objects"
        raise AnswerError(
            f"the answer holds no list of objects: {said}",
            hint="give the address that lists records, with parameters for which there are some",
            place=place,
        )
    return found


def _walk(node: Any, at: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], list[Any], str]]:
    if depth > _DEEPEST:
        return
    name = at[-1] if at else ""
    if isinstance(node, list):
        objects = [item for item in node if isinstance(item, dict)]
        if objects and len(objects) == len(node) and not _is_links(objects):
            yield at, objects, name
        elif depth < 2:
            for index, item in enumerate(node[:4]):
                if isinstance(item, list | dict):
                    yield from _walk(item, (*at, str(index)), depth + 1)
    elif isinstance(node, dict):
        values = list(node.values())
        if len(values) > 1 and all(isinstance(value, dict) and value for value in values) and _alike(node):
            yield (*at, "*"), values, name
            return
        if values and all(_DATED.fullmatch(key) for key in node) and all(isinstance(value, list) for value in values):
            together = [item for value in values for item in value]
            if together and all(isinstance(item, dict) for item in together):  # one list for each day
                yield (*at, "*", "*"), together, name
                return
        for key, value in node.items():
            yield from _walk(value, (*at, key), depth + 1)


def _is_links(objects: list[dict[str, Any]]) -> bool:
    return all(("href" in item or "url" in item) and ("rel" in item or "relation" in item) for item in objects)


def _alike(node: dict[str, Any]) -> bool:
    """Whether the members are records by their id, and not parts of one thing."""
    shared = set.intersection(*(set(value) for value in node.values()))
    every = set.union(*(set(value) for value in node.values()))
    return len(shared) * 2 > len(every) and (len(node) > 4 or all(_VALUE.fullmatch(key) for key in node))


def _through_nodes(at: tuple[str, ...], records: list[Any], name: str) -> Found:
    rank = len(records) * (2.0 if name.lower() in _USUAL else 1.0) / (1 + 0.1 * len(at))
    if all(isinstance(item.get("node"), dict) and set(item) <= {"node", "cursor", "__typename"} for item in records):
        return Found(path_text((*at, "*", "node")), [item["node"] for item in records], rank)
    return Found(path_text(at), records, rank)


def is_usual(path: str) -> bool:
    """Whether a list is called as the records of an answer are."""
    return any(part in _USUAL for part in path.lower().split("."))


def columns(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Column name to path: the fields of the records, small objects one level down."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for path in _fields(records):
        name = re.sub(r"\W+", "_", "_".join(path)).strip("_") or "field"
        name = f"_{name}" if name[0].isdigit() else name
        while name.lower() in taken:
            name += "_2"
        taken.add(name.lower())
        found[name] = path_text(path)
    return found


def _fields(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    names = list(dict.fromkeys(name for record in records for name in record))
    for name in names:
        values = [record[name] for record in records if record.get(name) is not None]
        inner = list(dict.fromkeys(key for value in values if isinstance(value, dict) for key in value))
        flat = values and all(isinstance(value, dict) and _is_flat(value) for value in values)
        if flat and 0 < len(inner) <= _FLATTENED:
            yield from ((name, key) for key in inner)
        else:
            yield (name,)


def _is_flat(record: Mapping[str, Any]) -> bool:
    return not any(isinstance(member, dict | list) for member in record.values())


def key_of(found: Mapping[str, str], records: Sequence[Mapping[str, Any]], table: str) -> str | None:
    """The column that identifies a record: called like an id, there in each, and different in each."""
    singular = table.removesuffix("s").lower()
    names = {name.lower(): name for name in reversed(list(found))}
    wanted = [
        *_KEYS[:-1],
        "id_",
        f"{singular}_id",
        f"{singular}id",
        *(n for n in names if re.fullmatch(r".*(_id|[a-z]id)", n)),
        "name",
    ]
    for low in wanted:
        name = names.get(re.sub(r"\W+", "_", low).strip("_"))
        if name is None:
            continue
        values = [_at(record, found[name]) for record in records]
        filled = all(isinstance(v, str | int) and not isinstance(v, bool) and v != "" for v in values)
        if filled and len(set(values)) == len(values):
            return name
    return None


def _at(record: Mapping[str, Any], path: str) -> Any:
    from headrace.core.paths import get, parse

    return get(record, parse(path))


def moments(found: Mapping[str, str], records: Sequence[Mapping[str, Any]]) -> set[str]:
    """The columns whose every value is a moment written out."""
    told = set()
    for name, path in found.items():
        values = [value for record in records if (value := _at(record, path)) is not None]
        if values and all(isinstance(value, str) and _MOMENT.fullmatch(value) for value in values):
            told.add(name)
    return told


def types(found: Mapping[str, str], pages: Sequence[bytes]) -> dict[str, str]:
    """Column to type, as the mapping would make it of these pages."""
    from headrace.core.paths import MISSING
    from headrace.mapping.config import Table
    from headrace.mapping.mapper import Mapper

    if not found:
        return {}
    table = Table.model_validate({"table": "records", "columns": dict(found)})
    mapper = Mapper([table], known={}, limits=Limits(), lookup=lambda name: MISSING)
    made: dict[str, str] = {}
    for number, page in enumerate(pages):
        for batch in mapper.map(page, page_id=number, fetched_at=0).batches:
            made |= {name: str(type) for name, type in batch.types.items()}
    return made
