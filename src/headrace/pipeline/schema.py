"""The JSON Schema (2020-12) of a pipeline file, from which editors complete and check."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from headrace.pipeline.described import WithDescriptions
from headrace.pipeline.model import Pipeline
from headrace.steps.source import Source


def json_schema() -> dict[str, Any]:
    """The schema of everything that this installation can load: a mapping, or a bare list of steps."""
    references, whole = models_json_schema(
        [(Pipeline, "validation"), (Source, "validation")],
        ref_template="#/$defs/{model}",
        schema_generator=WithDescriptions,
    )
    definitions: dict[str, Any] = whole["$defs"]
    pipeline = definitions["Pipeline"]
    pipeline["properties"]["source"] = {
        **references[Source, "validation"],
        "description": pipeline["properties"]["source"]["description"],
    }
    for definition in definitions.values():
        for key in definition.get("properties", {}).values():
            key.pop("title", None)  # only repeats the key's name
        if "processor" in definition.get("properties", {}):
            _allow_ps_type(definition)
    _require_types(definitions)
    pipeline["properties"]["inputs"]["anyOf"][0]["additionalProperties"] = False  # pydantic leaves other names open
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Headrace pipeline",
        "anyOf": [{"$ref": "#/$defs/Pipeline"}, pipeline["properties"]["steps"]],
        "$defs": definitions,
    }


def _allow_ps_type(step: dict[str, Any]) -> None:
    step["properties"]["ps_type"] = {**step["properties"]["processor"], "description": "Another word for processor."}
    step["required"] = [key for key in step["required"] if key != "processor"]
    step["oneOf"] = [{"required": ["processor"]}, {"required": ["ps_type"]}]


def _require_types(definitions: dict[str, Any]) -> None:
    """A file always says which kind it means, also where the model has a default for it."""
    open_nodes: list[Any] = list(definitions.values())
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, list):
            open_nodes += node
        elif isinstance(node, dict):
            open_nodes += node.values()
            choice = node.get("discriminator")
            if isinstance(choice, dict) and choice.get("propertyName") == "type":
                for reference in choice["mapping"].values():
                    kind = definitions[reference.rsplit("/", 1)[-1]]
                    kind["required"] = list(dict.fromkeys(["type", *kind.get("required", [])]))
