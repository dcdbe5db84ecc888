"""Fingerprints: what determines a run's requests, what determines its tables, and what it covers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from headrace.pipeline.model import Pipeline
from headrace.steps.base import Step


def fingerprint(value: Any) -> str:
    """A hash of plain data that does not depend on the order of mappings."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def request_hash(pipeline: Pipeline, environment: Mapping[str, Any]) -> str:
    """Of all that determines the requests, apart from the run's inputs."""
    parts = [
        {"step": entry.step, "processor": entry.processor, "config": pick(entry.config, entry.config.request_fields)}
        for entry in pipeline.steps
        if entry.config.request_fields
    ]
    return fingerprint([parts, dict(environment)])


def mapping_hash(pipeline: Pipeline) -> str:
    """Of all that determines the tables; steps that make no requests count as a whole."""
    return fingerprint([
        {"step": entry.step, "processor": entry.processor, "config": pick(entry.config, _mapping_fields(entry.config))}
        for entry in pipeline.steps
    ])  # fmt: skip


def scope(pipeline_id: str, org: str, params: Mapping[str, Any]) -> str:
    """Of what a crawl covers: the order of a list input does not matter, nor do inputs that were not given."""
    given = {key: _unordered(value) for key, value in params.items() if value is not None}
    return fingerprint([pipeline_id, org, given])


def of_organisation(scope: str | None, org: str) -> str | None:
    """A scope that was given by name: two organisations that give the same one have two."""
    return fingerprint([scope, org]) if scope and org != "default" else scope


def pick(config: Step, fields: Collection[str]) -> dict[str, Any]:
    """The dotted ``fields`` of ``config`` that differ from their defaults, as plain data."""
    whole = canonical(config)
    found: dict[str, Any] = {}
    for field in sorted(fields):
        value: Any = whole
        for key in field.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found[field] = value
    return found


def canonical(value: Any) -> Any:
    """Plain data in which a default says nothing, so that a new key with a default changes no hash."""
    if isinstance(value, BaseModel):
        plain: dict[str, Any] = {}
        for name, alias, default in _defaults(type(value)):
            item = getattr(value, name)
            if name == "type" or item != default:
                plain[alias] = canonical(item)
        return plain
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((canonical(item) for item in value), key=str)
    return value


@cache
def _defaults(kind: type[BaseModel]) -> list[tuple[str, str, Any]]:
    """Name, name in files and default of each field; pydantic looks into a factory's signature each time it is asked."""
    return [
        (name, info.alias or name, info.get_default(call_default_factory=True, validated_data={}))
        for name, info in kind.model_fields.items()
    ]


def _mapping_fields(config: Step) -> Collection[str]:
    if config.mapping_fields or config.request_fields:
        return config.mapping_fields
    return [info.alias or name for name, info in type(config).model_fields.items()]


def _unordered(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return sorted((_unordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
