"""The reference of the pipeline file as Markdown, written from the models' own docstrings."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from headrace.core.kinds import OneOf, menu
from headrace.pipeline.described import descriptions
from headrace.pipeline.inputs import Input
from headrace.pipeline.model import AnyStep, Pipeline, PipelineStep
from headrace.steps.base import processors
from headrace.steps.source import Source

_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything", type(None): "null"}


def markdown() -> str:
    """Every key of the file: its type, its default, and what it does."""
    parts = [
        "# The pipeline file: reference",
        "Written from the models by `headrace.pipeline.reference`; the same text as in `headrace schema`.",
        _section("The file", Pipeline),
        _section("inputs.NAME", Input),
        _section("A step", PipelineStep),
        _section("source", Source),
    ]
    done: set[type[BaseModel]] = {Pipeline, Input, PipelineStep, Source}
    queue: list[tuple[str, type[BaseModel]]] = [(f"processor: {name}", kind) for name, kind in processors().items()]
    queue += list(_below(Pipeline)) + list(_below(Source))
    while queue:
        title, model = queue.pop(0)
        if model in done:
            continue
        done.add(model)
        leave_out = Source.model_fields if issubclass(model, Source) else {}
        parts.append(_section(title, model, leave_out=leave_out))
        queue += _below(model)
    return "\n\n".join(parts) + "\n"


def _section(title: str, model: type[BaseModel], *, leave_out: Collection[str] = ()) -> str:
    texts = descriptions(model)
    rows = [
        f"| `{info.alias or name}` | {_cell(_type(_annotation(info)))} | {_default(info)} | {_cell(_prose(texts.get(name)))} |"
        for name, info in model.model_fields.items()
        if name not in leave_out
    ]
    inherited = "All keys of `source`, and:" if leave_out else ""
    head = "| key | type | default | |\n|---|---|---|---|\n"
    body = head + "\n".join(rows) if rows else ""
    return "\n\n".join(part for part in (f"## {title}", _prose(inspect.getdoc(model)), inherited, body) if part)


def _below(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models that the keys of ``model`` hold, by heading."""
    for name, info in model.model_fields.items():
        yield from _models(info.alias or name, _annotation(info))


def _models(title: str, annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    if get_origin(annotation) is Annotated:
        base, *marks = get_args(annotation)
        kinds = [(mark, base) for mark in marks if isinstance(mark, OneOf)]
        if not kinds and not any(isinstance(mark, AnyStep) for mark in marks):
            yield from _models(title, base)
        for mark, kind in kinds:
            for tag, member in sorted(menu(mark.package, kind).items()):
                yield f"{title}: {tag}", member
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield title, annotation
    else:
        for argument in get_args(annotation):
            if not isinstance(argument, str):
                yield from _models(title, argument)


def _annotation(info: FieldInfo) -> Any:
    return Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        kinds = [mark for mark in arguments[1:] if isinstance(mark, OneOf)]
        if kinds:
            return "one of " + ", ".join(f"`{name}`" for name in sorted(menu(kinds[0].package, arguments[0])))
        return _type(arguments[0])
    if origin is Literal:
        return " · ".join(f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(a) for a in arguments if a is not type(None)))
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping to {_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return _PLAIN.get(annotation, "text")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value == "" or value == [] or value == {} or isinstance(value, BaseModel):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _prose(text: str | None) -> str:
    plain = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text or "")
    return plain.replace("``", "`")


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
