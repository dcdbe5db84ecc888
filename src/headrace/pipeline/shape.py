"""From what a file says to what the model is given: short forms are written out, the ``source`` block is put
under each extract step, and every value still knows its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from headrace.core.errors import PipelineFileError
from headrace.core.suggest import did_you_mean
from headrace.pipeline.model import Pipeline
from headrace.pipeline.yaml import Document, Place, Where
from headrace.steps.base import processors
from headrace.steps.source import Source


class Problem(NamedTuple):
    """One complaint about a file; sorts by place."""

    place: Place
    label: str
    message: str
    warning: bool = False

    def text(self, file: str) -> str:
        level = "warning: " if self.warning else ""
        label = f"{self.label}: " if self.label else ""
        return f"{file}:{self.place.line}:{self.place.column}: {level}{label}{self.message}"


@dataclass
class Shaped:
    """The data for :class:`Pipeline`, with the way back to the text."""

    document: Document
    data: dict[str, Any]
    bare: bool
    """The file is a list of steps."""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def problem(self, path: Where, message: str, *, key: bool = False) -> None:
        self.problems.append(self.locate(path, message, key=key))

    def warn(self, path: Where, message: str, *, key: bool = False) -> None:
        self.warnings.append(self.locate(path, message, key=key)._replace(warning=True))

    def locate(self, path: Where, message: str, *, key: bool = False) -> Problem:
        """A problem with the value (or the key) at ``path``, or with the nearest thing above it that was written."""
        for length in range(len(path), -1, -1):
            for candidate in self._written(path[:length]):
                place = self.document.values.get(candidate)
                if key or length < len(path):
                    place = self.document.keys.get(candidate, place)
                if place is not None:
                    origin = (("steps", *candidate) if self.bare else candidate)[:length]
                    # what is missing under an inherited block is missing there
                    logical = (*origin, *path[length:]) if origin[:1] == ("source",) else path
                    return Problem(place, self.label(logical), message)
        return Problem(Place(1, 1), self.label(path), message)

    def written(self, path: Where) -> Where:
        """Where in the document the value at ``path`` was written."""
        return next((found for found in self._written(path) if found in self.document.values), path)

    def _written(self, path: Where) -> list[Where]:
        """Where the file may have written what stands at ``path``: in the step, else in the source block."""
        own = path[1:] if self.bare and path[:1] == ("steps",) else path
        found = [own]
        if own and own[-1] == "processor":
            found.append((*own[:-1], "ps_type"))
        if len(path) > 3 and path[0] == "steps" and path[2] == "config":
            found.append(("source", *path[3:]))
        return found

    def label(self, path: Where) -> str:
        """``steps.extract.pagination.limt``: the step by its name, ``config`` left out."""
        parts = list(path)
        if len(parts) > 1 and parts[0] == "steps" and isinstance(parts[1], int):
            steps = self.data.get("steps")
            entry = steps[parts[1]] if isinstance(steps, list) and parts[1] < len(steps) else None
            name = entry.get("step") if isinstance(entry, dict) else None
            parts[1] = name if isinstance(name, str) else parts[1] + 1
            if len(parts) > 3 and parts[2] == "config":
                del parts[2]
        return ".".join(str(part) for part in parts)


def shape(document: Document, stem: str) -> Shaped:
    """Bring a document into the model's form. ``stem`` names a pipeline that does not name itself.
    Raises PipelineFileError for what is no pipeline at all."""
    bare = isinstance(document.data, list)
    data: dict[str, Any] = {"steps": document.data} if bare else dict(document.data)
    if not bare:
        _refuse_fragment(document)
    data.setdefault("pipeline_id", re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "pipeline")
    shaped = Shaped(document, data, bare)
    source = _source(shaped)
    if isinstance(data.get("steps"), list):
        data["steps"] = [_step(shaped, index, entry, source) for index, entry in enumerate(data["steps"])]
    if source and not any(_inherits(entry) for entry in data.get("steps") or ()):
        shaped.warn(("source",), "no step of this file uses it", key=True)
    return shaped


def _inherits(entry: Any) -> bool:
    kind = processors().get(str(entry.get("processor"))) if isinstance(entry, dict) else None
    return kind is not None and issubclass(kind, Source)


def _source(shaped: Shaped) -> dict[str, Any]:
    source = shaped.data.get("source")
    if not isinstance(source, dict):
        return {}
    for key in source:
        if key not in Source.model_fields:
            hint = did_you_mean(key, Source.model_fields)
            inside = any(key in kind.model_fields for kind in processors().values())
            why = ": this belongs in a step's config" if inside and not hint else ""
            shaped.problem(("source", key), f"unknown key{hint or why}", key=True)
    return {key: value for key, value in source.items() if key in Source.model_fields}


def _step(shaped: Shaped, index: int, entry: Any, source: Mapping[str, Any]) -> Any:
    if not isinstance(entry, dict):
        return entry
    if "ps_type" in entry:
        if "processor" in entry:
            shaped.problem(("steps", index, "ps_type"), "another word for processor, which is given too", key=True)
        entry = {("processor" if key == "ps_type" else key): value for key, value in entry.items()}
    config = entry.get("config")
    if source and _inherits(entry) and isinstance(config, dict):
        entry = {**entry, "config": merge(source, config)}
    return entry


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``, mapping by mapping. A mapping of another ``type`` replaces the whole one below;
    ``null`` takes away what is below."""
    merged = dict(base)
    for key, value in over.items():
        below = base.get(key)
        if value is None and key in base:
            del merged[key]
        elif isinstance(below, Mapping) and isinstance(value, Mapping) and _same_type(below, value):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def _same_type(below: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    return "type" not in value or value["type"] == below.get("type", value["type"])


def _refuse_fragment(document: Document) -> None:
    """A part of a pipeline is refused with what is missing around it."""
    data = document.data
    if "steps" in data or not data:
        return
    config_keys = {key for kind in processors().values() for key in kind.model_fields}
    only_config = [key for key in data if key in config_keys]
    only_config = [key for key in only_config if key not in Pipeline.model_fields or isinstance(data[key], dict)]
    first = next(iter(data))
    place = document.keys.get((first,), Place(1, 1))
    where = f"{document.name}:{place.line}:{place.column}"
    if "config" in data or "processor" in data or "ps_type" in data:
        raise PipelineFileError([f"{where}: this is one step: write it as an item of a list (- step: …)"])
    if only_config and "inputs" not in data and "pipeline_id" not in data:
        missing = [] if "url" in data else ["url"]
        if "tables" not in data and "destination" not in data:
            missing.append("destination: {table: …} (or tables)")
        inside = f", and in the step's config {' and '.join(missing)}" if missing else ""
        raise PipelineFileError(
            [
                f"{where}: {', '.join(only_config)}: a part of a step's configuration, not a pipeline; "
                f"missing: steps with step, processor and config around it{inside}"
            ]
        )
