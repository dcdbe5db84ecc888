"""What a run may be given: the ``inputs`` block, and values checked against it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from headrace.core.errors import InputError
from headrace.core.model import Model
from headrace.core.suggest import did_you_mean
from headrace.core.templates import as_text

InputType = Literal["string", "int", "float", "bool", "date", "list", "map"]

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Input(Model):
    """One input of a pipeline: ``--param name=value``, used as ``{name}``."""

    type: InputType = "string"
    """``list`` goes comma-joined; ``map`` is given member by member (``--param filters.order_by=title``); a
    ``date`` (2026-01-31, or with a time) also gives ``{name_unix}``."""
    default: Any = None
    required: bool | None = None
    """By default an input without a ``default`` is required."""
    repeat: bool = False
    """A list is sent as a repeated key instead of comma-joined."""
    choices: list[Any] = Field(default_factory=list)
    """The only values (of a list: the only items) that are taken."""
    description: str = ""

    @property
    def needed(self) -> bool:
        return self.default is None if self.required is None else self.required

    @model_validator(mode="after")
    def _consistent(self) -> Input:
        if self.required and self.default is not None:
            raise ValueError("an input with a default is never missing: leave out either required or default")
        if self.repeat and self.type != "list":
            raise ValueError(f"repeat is for lists (this input is a {self.type})")
        if self.choices and self.type == "map":
            raise ValueError("choices are not for maps")
        if self.default is not None:
            try:
                coerce("default", self, self.default)
            except InputError as error:
                raise ValueError(error.message) from None
        return self


def coerce(name: str, spec: Input, value: Any) -> Any:
    """``value`` (a command line's text, or a Python value) as ``spec`` declares it. Raises InputError."""
    result = _typed(name, spec.type, value)
    choices = [as_text(choice) for choice in spec.choices]
    for item in result if isinstance(result, list) else [result]:
        if choices and as_text(item) not in choices:
            raise InputError(
                f"{name}: {as_text(item)!r} is none of {', '.join(choices)}{did_you_mean(as_text(item), choices)}"
            )
    return result


def _typed(name: str, kind: InputType, value: Any) -> Any:
    if kind == "list":
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if isinstance(items, list | tuple) and all(isinstance(i, str | int | float) for i in items):
            return [item for item in items if item != ""]
    elif kind == "map":
        if isinstance(value, Mapping):
            return {str(key): item for key, item in value.items()}
        raise InputError(f"{name} is a map: give its members, such as {name}.key=value")
    elif isinstance(value, list | tuple | Mapping) or value is None:
        pass
    elif kind == "string":
        return value.isoformat() if isinstance(value, dt.date) else as_text(value)
    elif kind == "date":
        return _date(name, value)
    elif kind == "bool":
        if str(value).lower() in _WORDS:
            return _WORDS[str(value).lower()]
    elif kind == "int":
        if not isinstance(value, bool) and re.fullmatch(r"[-+]?\d{1,100}", str(value)):
            return int(value)
    elif not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, TypeError, OverflowError):
            pass
    words = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "list": "a list",
        "string": "a text",
    }
    raise InputError(f"{name}: expected {words[kind]}, got {value!r}")


def _date(name: str, value: Any) -> str:
    text = value.isoformat() if isinstance(value, dt.date) else str(value)
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{name}: expected a date such as 2026-01-31, got {text!r}") from None
    return text


def unix(text: str) -> int:
    """Seconds since 1970 of a ``date`` input: a day begins at 00:00 UTC; a time without an offset is UTC."""
    moment = dt.datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


def collect(specs: Mapping[str, Input], given: Mapping[str, Any], *, complete: bool = True) -> dict[str, Any]:
    """Every input's value; absent optional ones are ``None``.

    ``given`` may name members of maps with a dot. Raises InputError for an unknown name, a value that does
    not fit, and (if ``complete``) for what is missing, all of it named.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        base, _, member = name.partition(".")
        if base not in specs:
            raise InputError(
                f"unknown input {base!r}{did_you_mean(base, specs)}",
                hint=f"inputs: {', '.join(specs) or 'none'}",
            )
        if member:
            if specs[base].type != "map":
                raise InputError(f"{base} is a {specs[base].type}, not a map: write {base}=…")
            if not isinstance(values.setdefault(base, {}), dict):
                raise InputError(f"{base} is given both as a whole and member by member")
            values[base] = {**values[base], member: value}
        elif value is not None:
            values[base] = coerce(base, specs[base], value)
    for name, spec in specs.items():
        if name not in values:
            values[name] = None if spec.default is None else coerce(name, spec, spec.default)
    missing = [name for name, spec in specs.items() if spec.needed and values[name] is None]
    if missing and complete:
        raise InputError(
            f"missing: {', '.join(missing)}",
            hint="give " + " ".join(f"--param {name}=…" for name in missing),
        )
    return {name: values[name] for name in specs}
