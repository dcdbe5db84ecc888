"""The base of every model that a pipeline file is read into."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from headrace.core.paths import PathSyntaxError, parse


class Model(BaseModel):
    """Frozen, and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=True)


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"')
_OTHER_LANGUAGES = re.compile(r"(?P<root>^\$(?=[.\[]|$))|(?P<index>\[(?:-?\d*|\*)\])|(?P<quote>[“”„])")
_HERE = {
    "root": "a path begins at the root by itself, such as data.items",
    "index": "an index is written .0, the last one .-1, and every element .*",
    "quote": 'write straight quotes ("a.b")',
}


def _check_path(value: Any) -> Any:
    if isinstance(value, str):
        if odd := _OTHER_LANGUAGES.search(_QUOTED.sub("", value)):
            raise ValueError(f"path {value!r}: not {odd[0]} here: {_HERE[odd.lastgroup or '']}")
        try:
            parse(value)
        except PathSyntaxError as error:
            raise ValueError(str(error)) from None
    return value


PathText = Annotated[str, BeforeValidator(_check_path)]
"""A path as the file writes it, checked."""
