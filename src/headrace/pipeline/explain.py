"""What pydantic found, in the words of the file's author."""

from __future__ import annotations

import re
import types
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from headrace.core.kinds import OneOf, menu
from headrace.pipeline.habits import key_meant, shape_meant, word_meant
from headrace.pipeline.model import AnyStep, Pipeline, entry_models
from headrace.pipeline.shape import Shaped
from headrace.pipeline.yaml import Where

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_FORMS = {
    r"^[\w-]+$": "may hold letters, digits, _ and - only",
    r"^\w[\w.-]*$": "may hold letters, digits, _, - and . only",
    r"^[A-Za-z_][\w-]*$": "has to begin with a letter and may hold letters, digits, _ and - only",
    r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$": "has to be the name alone, such as X-API-Key: no colon and no space",
    r"^\d+[hdw]$": "has to be a number and h, d or w, such as 30d",
    r"^\d+[smhdw]$": "has to be a number and s, m, h, d or w, such as 15m",
    r"^[1-9]\d*[hdwmy]$": "has to be a number and h, d, w, m or y, such as 1d",
    r"^\S+( \S+){4}$": "has to be five fields, such as 0 6 * * *",
}
"""What a pattern of the models asks for, said after the value."""
_FIRST_KEYS = {"rate_limit": "requests_per_second"}
"""What a plain value is meant as, where no key of the mapping is required."""
_AT_MOST = 200
"""Of pydantic's errors, before those of one union become one."""


def explain(error: ValidationError, shaped: Shaped) -> None:
    """Add a problem to ``shaped`` for each thing that is wrong."""
    found = [_Finding.of(item, shaped.data) for item in error.errors(include_url=False, include_input=False)[:_AT_MOST]]
    chosen = _best_branches(found)
    for finding in chosen:
        finding.report(shaped)


@dataclass
class _Finding:
    """One of pydantic's errors, its location split into a path of the data and the branches of unions."""

    type: str
    path: Where
    context: Mapping[str, Any]
    message: str
    value: Any
    models: list[Any]
    """What the parent of the last key may be."""
    branch: tuple[Where, str] | None = None
    """The first union on the way, and which of its branches this is about."""
    expected: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, error: Any, data: Any) -> _Finding:
        path: list[str | int] = []
        branch: tuple[Where, str] | None = None
        node, here = data, [Pipeline]
        above: list[Any] = []
        tagged = False
        for part in error["loc"]:
            concrete, is_tagged = _concrete(here, node)
            if is_tagged and not tagged and part in _tags(here):
                tagged = True
                continue
            inside = part in node if isinstance(node, dict) else isinstance(node, list) and isinstance(part, int)
            if inside or (isinstance(node, dict) and part in _keys(concrete)):
                path.append(part)
                above, here = concrete, _child(concrete, part)
                node = node[part] if inside else None
                tagged = False
            elif branch is None:
                branch = (tuple(path), str(part))
        finding = cls(error["type"], tuple(path), error.get("ctx") or {}, error["msg"], node, above, branch)
        if finding.type in _EXPECTED:
            finding.expected = [_EXPECTED[finding.type]]
        elif finding.type == "literal_error":
            words = str(finding.context["expected"]).replace("'", "")
            finding.expected = [{"True": "true", "False": "false", "None": "null"}.get(words, words)]
        return finding

    @property
    def shallow(self) -> bool:
        """Only says that the value is not of this branch's kind."""
        return self.branch is not None and self.path == self.branch[0] and bool(self.expected)

    def report(self, shaped: Shaped) -> None:
        last = str(self.path[-1]) if self.path else ""
        if self.type == "extra_forbidden":
            known = _keys(self.models)
            hint = key_meant(last, known, auth="auth" in self.path[-2:-1])
            shaped.problem(self.path, f"unknown key{hint}", key=True)
        elif self.type == "missing":
            shaped.problem(self.path, "missing")
        elif self.type in ("union_tag_invalid", "union_tag_not_found"):
            self._report_tag(shaped)
        elif self.expected:
            shaped.problem(self.path, self._mismatch())
        elif self.type in ("value_error", "assertion_error"):
            self._report_rule(shaped, self.message.split(", ", 1)[1])
        elif self.type == "string_pattern_mismatch":
            form = _FORMS.get(self.context["pattern"], f"has to be of the form {self.context['pattern']}")
            shaped.problem(self.path, f"{_shown(last if self._key else self.value)} {form}", key=self._key)
        elif self.type == "too_short":
            shaped.problem(self.path, f"is empty: at least {self.context['min_length']} has to be here")
        elif self.type in ("string_too_long", "string_too_short"):
            most, least = self.context.get("max_length"), self.context.get("min_length")
            bound = f"at most {most}" if most is not None else f"at least {least}"
            shaped.problem(
                self.path, f"takes {bound} character{'s' * ((most or least) != 1)}, got {_shown(self.value)}"
            )
        else:
            message = self.message.removeprefix("Input should be ").removeprefix("Input should ")
            share = ": 5 % is 0.05" if self.type == "less_than_equal" and self.context.get("le") == 1 else ""
            shaped.problem(self.path, f"should be {message}, got {_shown(self.value)}{share}", key=self._key)

    def _report_rule(self, shaped: Shaped, message: str) -> None:
        """What several keys of a mapping have to do with each other is said at the first of them that it names."""
        found = shaped.locate(self.path, message)
        if isinstance(self.value, dict):
            words = re.findall(r"\w+", re.sub(r"'[^']*'", "", message))
            named = next((word for word in words if word in self.value), None)
            if named is not None:
                found = shaped.locate((*self.path, named), message, key=True)._replace(label=found.label)
        shaped.problems.append(found)

    @property
    def _key(self) -> bool:
        return self.branch is not None and self.branch[1] == "[key]"

    def _report_tag(self, shaped: Shaped) -> None:
        key = str(self.context["discriminator"]).strip("'")
        known = _tags([AnyStep()]) if key == "processor" else _words(self.context.get("expected_tags", ""))
        if self.type == "union_tag_not_found":
            if not known:
                known = _tags(_child(self.models, self.path[-1]))
            for written in self.value if isinstance(self.value, dict) else ():
                if key_meant(str(written), [key], auth=False).startswith(", did you mean"):
                    shaped.problem((*self.path, written), f"unknown key, did you mean '{key}'?", key=True)
                    return
            shaped.problem((*self.path, key), f"missing; one of: {', '.join(known)}")
            return
        tag = self.value.get(key) if isinstance(self.value, dict) else None
        last = {name.rsplit(".", 1)[-1]: name for name in known}
        close = word_meant(str(tag).rsplit(".", 1)[-1], last)
        hint = close and f", did you mean '{last[close.split(chr(39))[1]]}'?"
        shaped.problem((*self.path, key), f"unknown {key} {_shown(tag)}{hint or '.'} There are: {', '.join(known)}")

    def _mismatch(self) -> str:
        wanted = list(dict.fromkeys(self.expected))
        text = " or ".join((", ".join(wanted[:-1]), wanted[-1])) if len(wanted) > 1 else wanted[0]
        message = f"expected {text}, got {_shown(self.value)}"
        if isinstance(self.value, str):
            meant = word_meant(self.value, _words(" ".join(w for w in wanted if w not in _EXPECTED.values())))
            return message + (meant or self._as(wanted))
        words = _words(" ".join(wanted))
        if isinstance(self.value, int | float) and ("a text" in wanted or str(self.value) in words):
            return message + ": put it in quotes"
        return message + self._as(wanted)

    def _as(self, wanted: list[str]) -> str:
        """How to write the value, where that can be told."""
        here = _child(self.models, self.path[-1]) if self.path else []
        concrete, _ = _concrete(here, None)
        models = [m for m in concrete if isinstance(m, type) and issubclass(m, BaseModel)]
        needed = [i.alias or name for m in models for name, i in m.model_fields.items() if i.is_required()]
        tags = _tags(here)
        only = (
            needed[0] if len(needed) == 1 and not tags else _FIRST_KEYS.get(str(self.path[-1])) if self.path else None
        )
        return shape_meant(self.value, wanted, tags, only)


def _best_branches(found: list[_Finding]) -> list[_Finding]:
    """Of a union's branches the one that the value was meant for; if none was, what all of them expect."""
    sites: dict[Where, dict[str, list[_Finding]]] = defaultdict(lambda: defaultdict(list))
    for finding in found:
        if finding.branch is not None:
            sites[finding.branch[0]][finding.branch[1]].append(finding)
    chosen = [finding for finding in found if finding.branch is None]
    for branches in sites.values():
        meant = [errors for errors in branches.values() if not all(e.shallow for e in errors)]
        if meant:
            chosen += sorted(meant, key=_count)[0]
            continue
        first, *others = [error for errors in branches.values() for error in errors]
        first.expected += [word for other in others for word in other.expected]
        chosen.append(first)
    return chosen


def _count(errors: list[_Finding]) -> int:
    return len(errors)


def _concrete(annotations: Iterable[Any], value: Any) -> tuple[list[Any], bool]:
    """The annotations with ``Annotated`` and unions taken apart and kinds chosen; and whether a kind was."""
    result: list[Any] = []
    tagged = False
    for annotation in annotations:
        origin = get_origin(annotation)
        if origin is Annotated:
            base, *marks = get_args(annotation)
            kinds = next((k for k in (_kinds(base, mark) for mark in marks) if k is not None), None)
            if kinds is None:
                inner, below = _concrete([base], value)
                result += inner
                tagged = tagged or below
                continue
            tagged = True
            name = (
                value.get("processor" if any(isinstance(m, AnyStep) for m in marks) else "type")
                if isinstance(value, dict)
                else None
            )
            result += [kinds[name]] if isinstance(name, str) and name in kinds else list(kinds.values())
        elif origin in (Union, types.UnionType):
            inner, below = _concrete(get_args(annotation), value)
            result += inner
            tagged = tagged or below
        else:
            result.append(annotation)
    return result, tagged


def _kinds(base: Any, mark: Any) -> Mapping[str, type[BaseModel]] | None:
    if isinstance(mark, OneOf):
        return menu(mark.package, base)
    return entry_models() if isinstance(mark, AnyStep) else None


def _tags(annotations: Iterable[Any]) -> list[str]:
    """The names of the kinds that may stand here."""
    found: list[str] = []
    for annotation in annotations:
        if isinstance(annotation, AnyStep):
            found += entry_models()
        elif get_origin(annotation) is Annotated:
            base, *marks = get_args(annotation)
            found += [name for mark in marks for name in _kinds(base, mark) or ()]
        elif get_origin(annotation) in (Union, types.UnionType):
            found += _tags(get_args(annotation))
    return found


def _keys(annotations: Iterable[Any]) -> list[str]:
    """The keys that the models among ``annotations`` know, as a file writes them."""
    models = [a for a in annotations if isinstance(a, type) and issubclass(a, BaseModel)]
    return list(dict.fromkeys(info.alias or name for model in models for name, info in model.model_fields.items()))


def _child(annotations: Iterable[Any], key: str | int) -> list[Any]:
    found: list[Any] = []
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found += [i.annotation for name, i in annotation.model_fields.items() if key in (name, i.alias)]
        elif get_args(annotation):
            found.append(get_args(annotation)[-1])
    return found


def _words(text: str) -> list[str]:
    return [word.strip(" '") for word in text.replace(" or ", ",").split(",") if word.strip(" '")]


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:60] + "…")
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a mapping"
