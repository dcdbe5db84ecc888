"""The constructs that are carried over, each with its portable function. What is not here is refused."""

from __future__ import annotations

from headrace.sql.rules import aggregates, json, numbers, relations, texts, times, types

__all__ = ["aggregates", "json", "numbers", "relations", "texts", "times", "types"]
