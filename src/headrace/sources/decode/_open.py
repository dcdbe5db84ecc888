"""Opens a JSON text in one pass: the values that paging asks for, and the records' exact slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from headrace.core.contracts import Envelope
from headrace.core.errors import PathNotFound
from headrace.core.paths import Path, Segment, Star
from headrace.core.suggest import did_you_mean
from headrace.sources.decode._document import LIST, MOST, Document, Raw, first
from headrace.sources.decode._records import array, named

_ABSENT = Raw()


def open_text(text: bytes, data_path: Path, wants: Sequence[Path], keyed: str | None = None) -> Envelope:
    """Raises DecodeError when ``text`` is not JSON, PathNotFound when ``data_path`` leads nowhere.

    ``keyed`` names the field that gets a record's name when the records are the values of a map.
    """
    document = Document(text)
    plan = _plan(data_path, tuple(wants))
    listed = None
    if keyed is None and len(text) <= 2 * MOST:  # shorter than any list with too many members
        listed = plan.read_list(document) if plan else _root_list(document, data_path, wants)
    if listed is not None:
        items, values = listed
        return Envelope(
            values={path: document.value(raw) for path, raw in values.items() if raw is not None},
            records=document.listed(items),
            around=document.around,
            count=len(items),
        )
    found = plan.read(document) if plan else None
    if found is None:
        data = document.get(Path(_names(data_path, until_star=True), ""))
        values = {path: document.get(path) for path in wants}
        rest = data_path.segments[len(_names(data_path, until_star=True)) :]
    else:
        data, values = found
        rest = data_path.segments[len(_names(data_path)) :]
    if data is None:
        raise _nowhere(document, data_path)
    return Envelope(
        values={path: document.value(raw) for path, raw in values.items() if raw is not None},
        records=_records(document, data, rest, data_path, keyed),
        around=document.around,
    )


def _root_list(
    document: Document, data_path: Path, wants: Sequence[Path]
) -> tuple[list[Raw], dict[Path, Raw | None]] | None:
    """The records where they are the whole answer."""
    if data_path.segments or wants:
        return None
    try:
        items = document.read(LIST)
    except msgspec.ValidationError:
        return None
    return (items, {}) if items else None


def _records(document: Document, data: Raw, rest: tuple[Segment, ...], path: Path, keyed: str | None) -> bytes:
    if not path.stars:
        for segment in rest:
            below = document.step(data, segment)
            if below is None:
                raise _nowhere(document, path)
            data = below
        return _whole(document, data, path, keyed)
    parts: list[bytes] = []
    for name, raw in document.matches(data, rest):
        opening = first(raw)
        each = document.items(raw) if opening == "[" else [] if opening == "n" else [raw]
        if keyed is None or name is None:
            parts += map(document.exact, each)
        else:
            parts += (named(document, keyed, name, part) for part in each)
    return array(parts)


def _whole(document: Document, data: Raw, path: Path, keyed: str | None) -> bytes:
    opening = first(data)
    if opening == "[":
        return document.exact(data)
    if opening == "n":
        return b"[]"
    if opening == "{":
        if keyed is None:
            return array([document.exact(data)])
        return array(named(document, keyed, name, raw) for name, raw in document.members(data).items())
    text = document.exact(data)[:60].decode("utf-8", "replace")
    raise PathNotFound(
        f"data_path {_quoted(path)} leads to {text}, which is neither a list nor an object",
        hint="set data_path to where the list of records is",
    )


def _nowhere(document: Document, path: Path) -> PathNotFound:
    """Says where ``path`` stopped and what there is."""
    stopped, members = document.around(path)
    place = "the answer's root" if not stopped.segments else f"'{stopped}'"
    wanted = str(path.segments[len(stopped.segments)]) if len(stopped.segments) < len(path.segments) else ""
    lists = [name for name, value in members.items() if value is ... or isinstance(value, list)]
    raw = document.get(stopped)
    if members:
        seen = f"{place} has the keys {', '.join(members)}{did_you_mean(wanted, members)}"
        if wanted in members:
            seen = f"{place} has {wanted!r}, which is {members[wanted]!r}"
    elif raw is not None and first(raw) == "[":
        seen = f"{place} is a list of {len(document.items(raw))}"
    else:
        seen = f"{place} is {document.exact(raw)[:60].decode('utf-8', 'replace') if raw is not None else 'absent'}"
    inside = ".".join([str(stopped.text), lists[0]]).lstrip(".") if len(lists) == 1 else ""
    hint = f"data_path: {inside}" if inside else 'set data_path to where the records are ("" is the root)'
    if raw is not None and first(raw) == "[":
        hint = f"data_path: {_quoted(stopped)}" if stopped.segments else 'data_path: "" takes the root, which is a list'
    return PathNotFound(f"data_path {_quoted(path)} leads nowhere: {seen}", hint=hint)


def _quoted(path: Path) -> str:
    return f"'{path.text}'"


def _names(path: Path, *, until_star: bool = False) -> tuple[Segment, ...]:
    """The leading segments that are names (or, until the first ``*``, indices too)."""
    kept: list[Segment] = []
    for segment in path.segments:
        if isinstance(segment, Star) or (not until_star and not isinstance(segment, str)):
            break
        kept.append(segment)
    return tuple(kept)


@dataclass(frozen=True)
class _Plan:
    """A Struct compiled for the places that are looked at; everything else is passed over unread."""

    decoder: msgspec.json.Decoder[Any]
    lists: msgspec.json.Decoder[Any] | None
    """The same where the records are a list and nobody wants a part of it: they are counted on the way."""
    data: tuple[str, ...]
    wants: tuple[tuple[Path, tuple[str, ...], tuple[Segment, ...]], ...]

    def read(self, document: Document) -> tuple[Raw | None, dict[Path, Raw | None]] | None:
        """The raw parts; ``None`` when the answer has another shape than names within objects."""
        try:
            root = document.read(self.decoder)
        except msgspec.ValidationError:
            return None
        return _follow(root, self.data), self._values(document, root)

    def read_list(self, document: Document) -> tuple[list[Raw], dict[Path, Raw | None]] | None:
        """The records and the raw parts; ``None`` where only :meth:`read` tells: another shape, or no record at all."""
        if self.lists is None:
            return None
        try:
            root = document.read(self.lists)
        except msgspec.ValidationError:
            return None
        items = _follow(root, self.data)
        return (items, self._values(document, root)) if items else None  # UNSET counts as nothing, too

    def _values(self, document: Document, root: Any) -> dict[Path, Raw | None]:
        values: dict[Path, Raw | None] = {}
        for path, fields, rest in self.wants:
            raw = _follow(root, fields)
            for segment in rest:
                if raw is None:
                    break
                raw = document.step(raw, segment)
            values[path] = raw
        return values


def _follow(node: Any, fields: tuple[str, ...]) -> Any:
    """What stands there: a Raw, or the list of them; ``None`` for nothing."""
    for field in fields:
        if node is None or node is msgspec.UNSET:
            return None
        node = getattr(node, field)
    return None if node is _ABSENT else node


@lru_cache(maxsize=512)
def _plan(data_path: Path, wants: tuple[Path, ...]) -> _Plan | None:
    """``None`` where a Struct cannot say it: the root itself is wanted, or a name that msgspec cannot take."""
    named_paths = [_names(data_path), *(_names(path) for path in wants)]
    if not all(named_paths):
        return None
    tree: dict[str, Any] = {}
    for names in sorted(set(named_paths), key=len):
        _plant(tree, names)
    ends = [_end(tree, names) for names in named_paths]
    try:
        decoder = msgspec.json.Decoder(_struct(tree))
    except ValueError:
        return None
    lists = None
    if len(ends[0]) == len(data_path.segments) and ends[0] not in ends[1:]:
        lists = msgspec.json.Decoder(_struct(tree, ends[0]))
    rests = [path.segments[len(end) :] for path, end in zip(wants, ends[1:], strict=True)]
    if len(ends[0]) < len(named_paths[0]):
        return None  # a wanted path holds the records inside it
    return _Plan(
        decoder,
        lists,
        tuple(_fields(tree, ends[0])),
        tuple((p, tuple(_fields(tree, end)), rest) for p, end, rest in zip(wants, ends[1:], rests, strict=True)),
    )


def _plant(tree: dict[str, Any], names: tuple[Segment, ...]) -> None:
    """Add a branch, unless a shorter path already takes what it hangs on as a whole."""
    for name in names[:-1]:
        below = tree.setdefault(str(name), {})
        if below is None:
            return
        tree = below
    tree.setdefault(str(names[-1]), None)


def _end(tree: dict[str, Any] | None, names: tuple[Segment, ...]) -> tuple[str, ...]:
    """The part of ``names`` that the tree has."""
    passed: list[str] = []
    for name in names:
        if tree is None:
            break
        passed.append(str(name))
        tree = tree[str(name)]
    return tuple(passed)


def _fields(tree: dict[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield f"f{list(tree).index(name)}"
        tree = tree[name]


def _struct(tree: dict[str, Any], a_list: tuple[str, ...] = ()) -> type[msgspec.Struct]:
    """``a_list`` leads to the leaf that is one."""
    fields: list[tuple[str, Any, Any]] = []
    for index, (name, below) in enumerate(tree.items()):
        deeper = a_list[1:] if a_list[:1] == (name,) else ()
        if below is None and a_list == (name,):
            fields.append((f"f{index}", list[Raw] | msgspec.UnsetType, msgspec.field(default=msgspec.UNSET, name=name)))
        elif below is None:
            fields.append((f"f{index}", Raw, msgspec.field(default=_ABSENT, name=name)))
        else:
            kind = _struct(below, deeper) | None | msgspec.UnsetType
            fields.append((f"f{index}", kind, msgspec.field(default=msgspec.UNSET, name=name)))
    return msgspec.defstruct("Opened", fields, gc=False)
