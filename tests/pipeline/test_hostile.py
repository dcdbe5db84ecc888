"""No text makes anything but an error that says what to mend."""

from __future__ import annotations

from typing import Any

import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.errors import UsageError
from headrace.pipeline.check import check_draft
from headrace.pipeline.load import parse
from headrace.pipeline.schema import json_schema
from headrace.pipeline.template import template
from headrace.pipeline.yaml import read

WORDS = sorted(
    {key for definition in json_schema()["$defs"].values() for key in definition.get("properties", {})}
    | {
        "generic.api_extractor",
        "cursor",
        "link",
        "header",
        "oauth2",
        "merge",
        "{now}",
        "{slice.x}",
        "{a",
        "https://x.test",
    }
)


def survive(text: str | bytes) -> None:
    try:
        found = parse(text, "f")
        check_draft(found)
        found.bind(params=dict.fromkeys(found.inputs, "1"), environ={}).resolved()
    except UsageError:
        pass


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text(text: str) -> None:
    survive(text)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes(text: bytes) -> None:
    survive(text)


@given(
    st.lists(
        st.sampled_from([*"{}[]:,-?&*!|>'\"%@`#~\t \n", ": ", "- ", "\n  ", "steps", "step", "x", "1", "<<"]),
        max_size=60,
    )
)
@settings(deadline=None)
def test_any_marks(parts: list[str]) -> None:
    survive("".join(parts))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=25,
)


@given(values)
@settings(max_examples=200, deadline=None)
def test_any_data(data: Any) -> None:
    survive(pyyaml.safe_dump(data, allow_unicode=True))


@given(
    st.dictionaries(st.sampled_from(WORDS), values, max_size=6),
    st.dictionaries(st.sampled_from(WORDS), values, max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_any_step(config: dict[str, Any], head: dict[str, Any]) -> None:
    whole = {"url": "https://x.test", "destination": {"table": "t"}, **config}
    step = {"step": "s", "processor": "generic.api_extractor", "config": whole}
    survive(pyyaml.safe_dump({**head, "steps": [step, step]}, allow_unicode=True))


BASE = template()


@given(
    st.integers(0, len(BASE)),
    st.integers(0, 30),
    st.sampled_from([*WORDS, "", "\n", "  ", "{", "}", "null", "- ", ": 1"]),
)
@settings(max_examples=300, deadline=None)
def test_a_good_file_with_something_cut_out_or_put_in(at: int, length: int, put: str) -> None:
    survive(BASE[:at] + put + BASE[at + length :])


@given(values)
@settings(deadline=None)
def test_what_is_written_is_what_is_read(data: Any) -> None:
    """Except for what YAML 1.1 writes in another way: quoted texts alone are compared."""
    if isinstance(data, dict | list) and data:
        text = pyyaml.safe_dump(data, default_style='"', allow_unicode=True)
        if "!!" not in text:
            assert read(text, "f").data == data
