"""YAML 1.2 core values and their places."""

from __future__ import annotations

import math
from typing import Any

import pytest

from headrace.pipeline.yaml import Place, read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("off", "off"), ("y", "y"), ("NO", "NO"),
        ("null", None), ("~", None), ("", None), ("Null", None), ("nULL", "nULL"),
        ("true", True), ("False", False), ("tRUE", "tRUE"),
        ("12", 12), ("-12", -12), ("+12", 12), ("012", 12), ("0o17", 15), ("0x1F", 31), ("0b1", "0b1"), ("1_000", "1_000"),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015), ("1e", "1e"), (".", "."),
        (".inf", math.inf), ("-.INF", -math.inf), ("9007199254740993", 9007199254740993),
        ("2026-01-31", "2026-01-31"), ("12:30:45", "12:30:45"), ("0x", "0x"), ("-", "-"),
        ("'12'", "12"), ('"true"', "true"), ("'null'", "null"), ("''", ""), ('"a\\tb\\u00e9"', "a\tbé"),
        ("|\n  12\n", "12\n"), (">\n  a\n  b\n", "a b\n"), ("=", "="), ("<", "<"), ("é", "é"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    if text == "-":
        text = "'-'"
    found = read(f"a: {text}", "f").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan() -> None:
    assert math.isnan(read("a: .nan", "f").data["a"])


def test_keys_are_text_as_written() -> None:
    assert read("{1: a, true: b, null: c, 0x1: d, 'e f': g}", "f").data == {
        "1": "a", "true": "b", "null": "c", "0x1": "d", "e f": "g",
    }  # fmt: skip


def test_places_of_keys_and_values() -> None:
    document = read("é: [x, {y: 1}]\nb:\n  - c:  d\n", "f")
    assert document.data == {"é": ["x", {"y": 1}], "b": [{"c": "d"}]}
    assert document.keys[("é",)] == Place(1, 1)
    assert document.values[("é",)] == Place(1, 4)
    assert document.values[("é", 1, "y")] == Place(1, 12)
    assert document.keys[("b", 0, "c")] == Place(3, 5)
    assert document.values[("b", 0, "c")] == Place(3, 9)


def test_a_byte_order_mark_windows_line_ends_and_directives_are_read() -> None:
    assert read(b"\xef\xbb\xbf%YAML 1.2\r\n---\r\na: 1\r\n...\r\n", "f").data == {"a": 1}


def test_a_flow_mapping_with_a_colon_is_no_variable() -> None:
    assert read("a: {b: }\nc: {d: null}\ne: {f, g}\nh: {}", "f").data == {
        "a": {"b": None}, "c": {"d": None}, "e": {"f": None, "g": None}, "h": {},
    }  # fmt: skip


def test_mappings_that_agree_are_joined_at_every_depth() -> None:
    document = read("a: {x: 1, y: {p: 1}}\nb: 2\na: {x: 1, y: {q: 2}, z: 3}", "f")
    assert document.data == {"a": {"x": 1, "y": {"p": 1, "q": 2}, "z": 3}, "b": 2}
    assert document.warnings == (
        "f:3:1: warning: a stands here a second time (first in line 1); the two agree and were joined",
    )


def test_a_hundred_levels_are_read() -> None:
    assert read("[" * 100 + "]" * 100, "f").data


def test_a_megabyte_is_read() -> None:
    text = "a: [" + ",".join(["'x'"] * 200_000) + "]"
    assert len(read(text, "f").data["a"]) == 200_000
