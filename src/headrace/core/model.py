"""The base of every model that a pipeline file is read into."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from headrace.core.paths import PathSyntaxError, parse


class Model(BaseModel):
    """Frozen, and refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True)


def _check_path(value: Any) -> Any:
    if isinstance(value, str):
        try:
            parse(value)
        except PathSyntaxError as error:
            raise ValueError(str(error)) from None
    return value


PathText = Annotated[str, BeforeValidator(_check_path)]
"""A path as the file writes it, checked."""
