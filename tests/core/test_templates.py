"""Texts with holes."""

from typing import Any

import pytest

from headrace.core.templates import names, render

VALUES: dict[str, Any] = {"a": 1, "b.c": [1, 2], "page": "never"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{a}", 1),
        ("{a}!", "1!"),
        ("{a}-{b.c}", "1-1,2"),
        ("{{", "{"),
        ('{{"x": {a}}', '{"x": 1}'),
        ("<page>{{page}}</page>", "<page>{page}</page>"),  # left for the paginator to fill
        ("{not a name}", "{not a name}"),
    ],
)
def test_holes_are_filled(text: str, filled: object) -> None:
    assert render(text, VALUES.__getitem__) == filled


def test_what_is_escaped_is_no_variable() -> None:
    assert list(names("{{page}} {a} {{ {b.c}")) == ["a", "b.c"]
