"""What the models' keys mean: the docstrings below them. Read when a schema or a reference is written, and not by
every run, whose start it would slow down."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """The texts of the fields that have one, by name; a field that is declared anew needs a text of its own."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and (texts := _below(part)) is not None:
            anew = inspect.get_annotations(part)
            found = {name: text for name, text in found.items() if name not in anew} | texts
    given = {name: info.description for name, info in model.model_fields.items() if info.description is not None}
    return {name: text for name, text in {**found, **given}.items() if name in model.model_fields}


class WithDescriptions(GenerateJsonSchema):
    """A JSON Schema whose properties are described."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        written = super().model_schema(schema)
        properties: dict[str, Any] = written.get("properties", {})
        model: type[BaseModel] = schema["cls"]
        for name, text in descriptions(model).items():
            key = properties.get(model.model_fields[name].alias or name)
            if key is not None:
                key.setdefault("description", text)
        return written


def _below(model: type[BaseModel]) -> dict[str, str] | None:
    """The texts of the fields that a class itself declares; ``None`` where it has no source."""
    body = _classes(model.__module__).get(model.__qualname__)
    if body is None:
        return None
    found: dict[str, str] = {}
    for line, below in zip(body.body, body.body[1:], strict=False):
        match line, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text)
    return found


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    """A module's classes by qualified name."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return {}
    found: dict[str, ast.ClassDef] = {}
    waiting: list[tuple[str, ast.AST]] = [("", ast.parse(Path(file).read_bytes()))]
    while waiting:
        outer, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                found[outer + child.name] = child
                waiting.append((f"{outer}{child.name}.", child))
    return found
