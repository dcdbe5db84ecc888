"""A form made from what a pipeline declares, and the values that come back from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from headrace.core.errors import InputError
from headrace.core.templates import as_text
from headrace.pipeline.inputs import Input

Control = Literal["text", "number", "date", "lines", "tick", "choice", "ticks"]
PREFIX = "in."
"""Of the names of inputs in the form, so that no input can pass for a field of the form itself."""

_HINTS: Mapping[str, str] = {
    "list": "several: separated by commas",
    "map": "one name=value on each line",
    "int": "a whole number",
    "float": "a number",
    "date": "such as 2026-01-31",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One input of the pipeline as the form shows it. ``value`` is its text; ``chosen`` the ticked choices."""

    name: str
    key: str
    """Its name in the form."""
    control: Control
    type: str
    required: bool
    value: str = ""
    choices: Sequence[str] = ()
    chosen: frozenset[str] = frozenset()
    description: str = ""
    hint: str = ""
    wrong: str = ""


def fields(
    inputs: Mapping[str, Input], given: Mapping[str, Any], wrong: Mapping[str, str] | None = None
) -> list[Field]:
    """The fields for ``inputs``, required ones first, filled with ``given`` where it has them, else with defaults."""
    made = [_field(name, spec, given, (wrong or {}).get(name, "")) for name, spec in inputs.items()]
    return sorted(made, key=lambda field: not field.required)


def read(inputs: Mapping[str, Input], sent: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What a sent form gives to :func:`headrace.pipeline.inputs.collect`: fields left empty are absent. Names that the
    pipeline does not have are left for it to refuse."""
    lists: dict[str, list[str]] = {}
    for key, value in sent:
        if key.startswith(PREFIX):
            lists.setdefault(key.removeprefix(PREFIX), []).append(value)
    found: dict[str, Any] = {}
    for name, values in lists.items():
        spec = inputs.get(name, Input(required=False))
        filled = [value.strip() for value in values if value.strip()]
        if spec.type == "map":
            found.update({f"{name}.{key}": item for key, item in members(name, "\n".join(filled)).items()})
        elif _control(spec) == "ticks":
            found[name] = filled
        elif filled:
            # A tick sends "false" always and "true" when it is set: the last one counts.
            found[name] = filled[-1]
    return found


def members(name: str, text: str) -> dict[str, str]:
    """The ``name=value`` lines of ``text``. Raises InputError for a line that is none, naming the field ``name``."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not equals or not key.strip():
            raise InputError(f"{name}: {line.strip()!r} is not name=value", hint="write one name=value on each line")
        found[key.strip()] = value.strip()
    return found


def blamed(error: InputError, inputs: Mapping[str, Input]) -> dict[str, str]:
    """Which fields an error is about; ``{}`` when it names none."""
    head, found, rest = error.message.partition(": ")
    if head == "missing":
        return {name: "needed" for name in rest.split(", ") if name in inputs}
    return {head: rest} if found and head in inputs else {}


def _field(name: str, spec: Input, given: Mapping[str, Any], wrong: str) -> Field:
    value = given.get(name, spec.default)
    if spec.type == "map":
        members = {key.removeprefix(f"{name}."): item for key, item in given.items() if key.startswith(f"{name}.")}
        value = members or value
    control = _control(spec)
    choices = [as_text(choice) for choice in spec.choices]
    chosen: frozenset[str] = frozenset()
    if control == "ticks":
        chosen = frozenset(as_text(item) for item in (value if isinstance(value, list | tuple) else ()))
    elif control == "choice" and spec.type == "bool":
        choices = ["true", "false"]
    default = "" if spec.default is None else f"default: {_text(spec.default)}"
    hint = ", ".join(
        filter(None, (_HINTS.get(spec.type, "") if control in ("text", "number", "lines") else "", default))
    )
    return Field(
        name=name, key=PREFIX + name, control=control, type=spec.type, required=spec.needed, value=_text(value),
        choices=choices, chosen=chosen, description=spec.description, hint=hint, wrong=wrong,
    )  # fmt: skip


def _control(spec: Input) -> Control:
    if spec.type == "bool":
        return "choice" if spec.default is None else "tick"
    if spec.choices:
        return "ticks" if spec.type == "list" else "choice"
    if spec.type == "map":
        return "lines"
    if spec.type == "date":
        return "date" if spec.default is None or len(str(spec.default)) == len("2026-01-31") else "text"
    return "number" if spec.type in ("int", "float") else "text"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "\n".join(f"{key}={as_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) for item in value)
    return as_text(value)
