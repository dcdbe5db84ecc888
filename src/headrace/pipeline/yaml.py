"""YAML 1.2 core values with the place of every key and value.

Built on PyYAML's events, without recursion. ``no``, ``on`` and ``yes`` are text; keys are always text, as
written. Anchors, aliases, tags, merge keys and further documents are refused: a pipeline file says what it
means where it says it, and cannot grow when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import yaml

from headrace.core.errors import PipelineFileError

MAX_BYTES = 1_000_000
MAX_DEPTH = 100

Where: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the root to a value."""


class Place(NamedTuple):
    """A position in the text, both from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """What a file says. ``keys`` has the place of each mapping's key, ``values`` of each value."""

    name: str
    data: Any
    keys: dict[Where, Place] = field(default_factory=dict)
    values: dict[Where, Place] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    blocks: dict[Where, Place] = field(default_factory=dict)
    """Where the first line of a text after ``|`` begins: its lines are the file's own."""


_BOMS = ((b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_VARIABLE = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")
_BARE_HOLE = re.compile(r"(?:^|[:\-\[,]\s+)\{[A-Za-z_][\w.-]*\}[^\s,\]}#]")
_TIGHT = re.compile(r"(\s*)(?:(?:- +)*[A-Za-z_]\w*(:)|-)(?=[^\s:,\]}-])")
_PLAIN = {
    "did not find expected ',' or '}'": "in {…} a comma or the closing } is missing, or a text has to be quoted as a whole",
    "did not find expected ',' or ']'": "in […] a comma or the closing ] is missing, or a text has to be quoted as a whole",
    "found unexpected end of stream": "a quote is never closed",
    "did not find expected key": "no key can begin here: mend the indentation, or quote the text as a whole",
}
"""The parser's words, by what to do."""
_STRANGE_SPACE = re.compile("[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]")
_MOST_DIGITS = 100
_MOST_PROBLEMS = 100


def scalar(text: str) -> Any:
    """The value of an unquoted word by YAML 1.2's core schema. Raises ValueError for an absurdly long number."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            if len(text) > _MOST_DIGITS:
                raise ValueError(f"a number of {len(text)} characters: quote it if it is a text")
            return int(text if base == 10 else text[2:], base)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return float(text.replace(".", ""))
    return float("nan") if text in (".nan", ".NaN", ".NAN") else text


def read(source: bytes | str, name: str) -> Document:
    """Read the text of a file called ``name``. Raises :class:`PipelineFileError`."""
    text = _text(source, name)
    reader = _Reader(name, text)
    try:
        for event in _events(text):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        raise reader.syntax_error(error) from None
    except yaml.YAMLError as error:
        raise PipelineFileError([f"{name}:1:1: not valid YAML: {error}"]) from None
    return reader.finish()


def refusal(name: str, problems: Sequence[str]) -> PipelineFileError:
    """The error of the file ``name``; a very wrong file shows its first problems only."""
    more = len(problems) - _MOST_PROBLEMS
    rest = [f"{name}: and {more} more problems"] if more > 0 else []
    return PipelineFileError([*problems[:_MOST_PROBLEMS], *rest])


def _events(text: str) -> Iterator[yaml.Event]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    yield from yaml.parse(text, Loader=loader)


def _text(source: bytes | str, name: str) -> str:
    text = _decoded(source, name).removeprefix("\ufeff")
    if bad := _CONTROL.search(text):
        line, column = _locate(text[: bad.start()])
        raise PipelineFileError(
            [
                f"{name}:{line}:{column}: the character U+{ord(bad.group()):04X} may not stand in YAML: "
                'write it as an escape in a "quoted text"'
            ]
        )
    return text


def _decoded(source: bytes | str, name: str) -> str:
    if len(source) > MAX_BYTES:
        raise PipelineFileError([f"{name}:1:1: larger than {MAX_BYTES // 1_000_000} MB: this is not a pipeline file"])
    if isinstance(source, str):
        return source
    for mark, encoding in _BOMS:
        if source.startswith(mark):
            raise PipelineFileError([f"{name}:1:1: this is {encoding}: save it as UTF-8"])
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _locate(source[: error.start].decode("utf-8"))
        byte = source[error.start]
        raise PipelineFileError([f"{name}:{line}:{column}: not UTF-8 (byte 0x{byte:02x}): save it as UTF-8"]) from None


def _locate(before: str) -> Place:
    lines = _BREAK.split(before)
    return Place(len(lines), len(lines[-1]) + 1)


_START = Place(1, 1)


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    value: Any
    path: Where
    place: Place
    flow: bool = False
    key: str | None = None
    key_place: Place = _START
    first: Place | None = None
    """Where ``key`` stood before, if this is its second time."""
    joined: set[str] = field(default_factory=set)
    """Keys that came twice and agreed: a third time is refused, or joining would cost the square of the file."""
    bare: bool = False
    """A flow mapping with one key that no colon follows: ``{name}``."""


class _Reader:
    """Builds the document from events, one at a time."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = _BREAK.split(text)
        self.keys: dict[Where, Place] = {}
        self.values: dict[Where, Place] = {}
        self.blocks: dict[Where, Place] = {}
        self.open: list[_Open] = []
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.documents = 0
        self.root: Any = None

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self.error(_place(event), "a second document (---): a pipeline file holds one")
        elif isinstance(event, yaml.NodeEvent):
            self.node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.close()

    def node(self, event: yaml.NodeEvent) -> None:
        place = _place(event)
        if isinstance(event, yaml.AliasEvent):
            raise self.error(
                place, f"an alias (*{event.anchor}): write the value out, or quote a text that begins with *"
            )
        if event.anchor is not None:
            raise self.error(
                place, f"an anchor (&{event.anchor}): anchors are not read; quote a text that begins with &"
            )
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise self.error(place, f"a tag ({tag}): tags are not read; quote a text that begins with !")
        parent = self.open[-1] if self.open else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self.key(parent, event, place)
            return
        if isinstance(event, yaml.ScalarEvent):
            if event.style == "|":
                self.block(self.path(), place)
            self.put(self.value_of(event, place), place)
            return
        if len(self.open) == MAX_DEPTH:
            raise self.error(place, f"nested deeper than {MAX_DEPTH} levels")
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.open.append(_Open(value, self.path(), place, flow=bool(getattr(event, "flow_style", False))))

    def key(self, parent: _Open, event: yaml.NodeEvent, place: Place) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            text = self.hole(place)
            hint = f': quote it: "{text}"' if text else ""
            raise self.error(place, f"a key has to be a text{hint}")
        if event.implicit[0] and (strange := _STRANGE_SPACE.match(event.value)):
            code = f"U+{ord(strange[0]):04X}"
            raise self.error(place, f"a space that is none of YAML's ({code}, often pasted): write plain spaces")
        if event.value == "<<" and event.implicit[0]:
            raise self.error(place, "a merge key (<<): merge keys are not read; write the keys out")
        path = (*parent.path, event.value)
        parent.key, parent.key_place = event.value, place
        parent.first = self.keys.get(path) if event.value in parent.value else None
        end = event.end_mark
        after = self.lines[end.line][end.column :].lstrip() if end and end.line < len(self.lines) else ""
        parent.bare = parent.flow and not parent.value and event.implicit[0] and after.startswith("}")
        self.keys.setdefault(path, place)

    def hole(self, place: Place) -> str:
        found = re.match(r"\{[\w.-]+\}", self.lines[place.line - 1][place.column - 1 :])
        return found.group() if found else ""

    def value_of(self, event: yaml.ScalarEvent, place: Place) -> Any:
        if not event.implicit[0]:
            return event.value
        try:
            return scalar(event.value)
        except ValueError as error:
            self.problem(place, str(error))
            return None

    def path(self) -> Where:
        if not self.open:
            return ()
        parent = self.open[-1]
        return (*parent.path, parent.key if isinstance(parent.key, str) else len(parent.value))

    def close(self) -> None:
        done = self.open.pop()
        if done.bare and len(done.value) == 1:
            (word,) = done.value
            if _VARIABLE.fullmatch(word):
                where = self.path()[-1] if self.open else 0
                lead = f"{where}:" if isinstance(where, str) else "-"
                self.problem(done.place, f'quote it: {lead} "{{{word}}}"')
        self.put(done.value, done.place)

    def put(self, value: Any, place: Place) -> None:
        """A finished value goes into the collection that it stands in."""
        path = self.path()
        if not self.open:
            self.root = value
        else:
            parent = self.open[-1]
            if isinstance(parent.value, list):
                parent.value.append(value)
            else:
                assert parent.key is not None
                if parent.first is not None:
                    value = self.repeated(parent, value)
                parent.value[parent.key] = value
                parent.key = None
        self.values.setdefault(path, place)

    def repeated(self, parent: _Open, value: Any) -> Any:
        assert parent.key is not None
        first = parent.first
        before = parent.value[parent.key]
        again = parent.key in parent.joined
        if not again and isinstance(before, dict) and isinstance(value, dict) and _agree(before, value):
            parent.joined.add(parent.key)
            self.warnings.append(
                f"{self.name}:{parent.key_place.line}:{parent.key_place.column}: warning: {parent.key} stands here a "
                f"second time (first in line {first.line if first else 0}); the two agree and were joined"
            )
            return _join(before, value)
        self.problem(
            parent.key_place,
            f"{parent.key} stands here a {'third' if again else 'second'} time; the first is at {first.line if first else 0}"
            f":{first.column if first else 0}",
        )
        return before

    def problem(self, place: Place, message: str) -> None:
        self.problems.append(f"{self.name}:{place.line}:{place.column}: {message}")

    def error(self, place: Place, message: str) -> PipelineFileError:
        self.problem(place, message)
        return refusal(self.name, self.problems)

    def syntax_error(self, error: yaml.MarkedYAMLError) -> PipelineFileError:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        line = self.lines[place.line - 1] if place.line <= len(self.lines) else ""
        if re.match(r" *\t", line):
            message = "a tab in the indentation: YAML indents with spaces"
        elif _BARE_HOLE.search(line):
            self.problems = [text for text in self.problems if not text.startswith(f"{self.name}:{place.line}:")]
            message = "not valid YAML: a text that begins with { has to be quoted, as a whole"
        elif error.problem and "cannot start any token" in error.problem and line[place.column - 1 : place.column]:
            message = f"not valid YAML: a text that begins with {line[place.column - 1]} has to be quoted"
        elif error.problem and error.problem.startswith("mapping values are not allowed"):
            for at in (place.line - 1, place.line):
                if 0 < at <= len(self.lines) and (tight := _TIGHT.match(self.lines[at - 1])):
                    after = "colon" if tight[2] else "dash"
                    place = Place(at, tight.end() + 1)
                    return self.error(place, f"not valid YAML: a space is missing after the {after}")
            message = "not valid YAML: a colon where no key can stand: quote the text, or mend the indentation"
        elif error.context and "alias" in error.context:
            message = "not valid YAML: a text that begins with * has to be quoted"
        elif error.problem and "unknown escape" in error.problem:
            message = (
                "not valid YAML: in a \"text\" a backslash begins an escape: write \\\\ for it, or use 'single quotes'"
            )
        elif error.problem in _PLAIN:
            message = f"not valid YAML: {_PLAIN[error.problem]}"
            if error.context_mark and error.context_mark.line + 1 != place.line:
                message += f" (it begins at {error.context_mark.line + 1}:{error.context_mark.column + 1})"
        else:
            message = "not valid YAML: " + " ".join(part for part in (error.context, error.problem) if part)
            if error.context_mark and error.context and error.context_mark.line + 1 != place.line:
                message += f" (it begins at {error.context_mark.line + 1}:{error.context_mark.column + 1})"
        return self.error(place, message)

    def block(self, path: Where, place: Place) -> None:
        for number, line in enumerate(self.lines[place.line :], place.line + 1):
            if line.strip():
                self.blocks[path] = Place(place.line + 1, len(line) - len(line.lstrip(" ")) + 1)
                return
            if number > place.line + _MOST_PROBLEMS:
                return

    def finish(self) -> Document:
        if self.problems:
            raise refusal(self.name, self.problems)
        if self.root is None:
            raise PipelineFileError([f"{self.name}:1:1: the file is empty"])
        if not isinstance(self.root, dict | list):
            place = self.values[()]
            raise self.error(place, "expected a mapping with steps, or a list of steps, not a single value")
        return Document(self.name, self.root, self.keys, self.values, tuple(self.warnings), self.blocks)


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else _START


def _agree(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return all(_agree(value, b[key]) for key, value in a.items() if key in b)
    return type(a) is type(b) and bool(a == b)


def _join(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    both = {key: _join(value, b[key]) for key, value in a.items() if key in b and isinstance(value, dict)}
    return {**a, **b, **both}
