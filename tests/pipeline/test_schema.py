"""The JSON Schema and the reference say what the models say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import pipelines
from headrace.core.kinds import menu
from headrace.pipeline.model import Pipeline
from headrace.pipeline.reference import markdown
from headrace.pipeline.schema import json_schema
from headrace.pipeline.template import template
from headrace.pipeline.yaml import read
from headrace.steps.base import processors
from headrace.steps.generic.api_extractor import ApiExtractor

HERE = Path(__file__).parent
SCHEMA = json_schema()
_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float),
}  # fmt: skip


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """The keywords of JSON Schema that the models give rise to; any other is an error of this test."""
    return all(_keyword(value, key, item, schema) for key, item in schema.items())


def _keyword(value: Any, key: str, item: Any, schema: dict[str, Any]) -> bool:
    match key:
        case "$ref":
            return fits(value, SCHEMA["$defs"][item.rsplit("/", 1)[-1]])
        case "type":
            return isinstance(value, _TYPES[item]) and (
                item not in ("integer", "number") or not isinstance(value, bool)
            )
        case "anyOf":
            return any(fits(value, branch) for branch in item)
        case "oneOf":
            return sum(fits(value, branch) for branch in item) == 1
        case "enum":
            return value in item
        case "const":
            return bool(value == item)
        case "required":
            return not isinstance(value, dict) or set(item) <= set(value)
        case "properties":
            return not isinstance(value, dict) or all(fits(v, item[k]) for k, v in value.items() if k in item)
        case "additionalProperties":
            if not isinstance(value, dict):
                return True
            patterns = schema.get("patternProperties", {})
            named = [*schema.get("properties", {}), *(k for k in value for p in patterns if re.search(p, k))]
            rest = [v for k, v in value.items() if k not in named]
            return not rest if item is False else item is True or all(fits(v, item) for v in rest)
        case "patternProperties":
            return not isinstance(value, dict) or all(
                fits(v, sub) for pattern, sub in item.items() for k, v in value.items() if re.search(pattern, k)
            )
        case "propertyNames":
            return not isinstance(value, dict) or all(fits(k, item) for k in value)
        case "items":
            return not isinstance(value, list) or all(fits(v, item) for v in value)
        case "pattern":
            return not isinstance(value, str) or bool(re.search(item, value))
        case "minItems":
            return not isinstance(value, list) or len(value) >= item
        case "minLength":
            return not isinstance(value, str) or len(value) >= item
        case "maxLength":
            return not isinstance(value, str) or len(value) <= item
        case "minimum":
            return not isinstance(value, int | float) or value >= item
        case "exclusiveMinimum":
            return not isinstance(value, int | float) or value > item
        case "maximum":
            return not isinstance(value, int | float) or value <= item
        case "exclusiveMaximum":
            return not isinstance(value, int | float) or value < item
        case "$schema" | "$defs" | "title" | "description" | "default" | "discriminator":
            return True
    raise AssertionError(f"the test does not know {key}")


def _good() -> Iterator[tuple[str, Any]]:
    for file in sorted((HERE / "seed").glob("*.yml")):
        if file.stem != "full_pipeline":  # names steps that do not exist yet
            yield file.stem, read(file.read_bytes(), file.name).data
    yield "template", read(template(), "template").data
    for name in pipelines.names():
        yield name, read(pipelines.read(name), name).data


@pytest.mark.parametrize(("name", "data"), list(_good()), ids=[name for name, _ in _good()])
def test_good_files_fit(name: str, data: Any) -> None:
    assert fits(data, SCHEMA)


@pytest.mark.parametrize(
    "name",
    ["misspelt_key", "unknown_top_key", "unknown_pagination", "pagination_without_type", "text_expected", "list_expected",
     "processor_missing", "processor_twice", "unknown_processor", "negative_number", "retention_pattern", "steps_empty",
     "source_key_misspelt", "column_misspelt_key", "input_name", "schedule"],
)  # fmt: skip
def test_bad_files_do_not(name: str) -> None:
    assert not fits(read((HERE / "bad" / f"{name}.yml").read_bytes(), name).data, SCHEMA)


def test_ps_type_fits() -> None:
    data = read((HERE / "seed" / "contacts_extract.yml").read_text().replace("processor:", "ps_type:"), "f").data
    assert fits(data, SCHEMA)


def test_every_key_and_every_kind_is_in_the_schema_and_the_reference() -> None:
    text = markdown()
    for model in (Pipeline, ApiExtractor):
        properties = SCHEMA["$defs"][model.__name__]["properties"]
        for name, info in model.model_fields.items():
            assert (info.alias or name) in properties
            assert f"| `{info.alias or name}` |" in text
    for name in processors():
        assert f"## processor: {name}\n" in text
    for package in ("auth", "paginate", "decode"):
        key = {"paginate": "pagination"}.get(package, package)
        base = {"auth": "Auth", "paginate": "Paginator", "decode": "Decoder"}[package]
        import headrace.core.contracts as contracts

        for tag in menu(f"headrace.sources.{package}", getattr(contracts, base)):
            assert f"## {key}: {tag}\n" in text


def test_descriptions_come_from_the_models() -> None:
    assert SCHEMA["$defs"]["ApiExtractor"]["properties"]["max_pages"]["description"].startswith("Page cap")
    assert (
        "| `max_pages` | whole number | `10000` | Page cap of one stream; a run that reaches it is `partial`. |"
        in markdown()
    )
    assert "``" not in markdown()


def test_processors_are_called_as_their_modules() -> None:
    for name, step in processors().items():
        assert step.__module__ == f"headrace.steps.{name}"
