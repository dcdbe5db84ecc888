"""Variables: which names a file uses and may use, which environment holds, and what a name gives in a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InputError
from headrace.core.suggest import did_you_mean
from headrace.core.templates import Lookup, UnknownVariable, names, render
from headrace.core.trust import EVERYTHING, Trust
from headrace.pipeline.inputs import Input, unix
from headrace.pipeline.shape import Shaped
from headrace.pipeline.yaml import Where
from headrace.steps.base import processors

if TYPE_CHECKING:
    from headrace.pipeline.model import Pipeline

OF_THE_RUN = ("org_slug", "run_id", "request_id", "now", "now_unix", "date", "date_unix")
OF_THE_PAGE = "fetched_at"
"""Known where answers become rows (a step's ``mapping_fields``)."""
DATES = ("start_date", "end_date")
"""Inputs of type date that every file has as soon as it uses them."""
_ROOTS = ("env", "steps", "slice", "incremental")
_ENVIRONMENT_KEYS = ("destination", "org_slug")


@dataclass(frozen=True)
class Use:
    """A variable in a text of the file."""

    name: str
    path: Where


@dataclass(frozen=True)
class Names:
    """What the file's texts need to be filled."""

    inputs: Mapping[str, Input]
    """Declared, implied (``start_date``, ``end_date``), or without an ``inputs`` block the free names."""
    env: tuple[str, ...] = ()
    """Environment variables."""
    environment: tuple[str, ...] = ()
    """Values of the chosen environment."""


def uses(shaped: Shaped) -> Iterator[Use]:
    """Every variable in a templated text, with the place of the text."""
    destination = shaped.data.get("destination")
    if isinstance(destination, str):
        yield from (Use(name, ("destination",)) for name in names(destination))
    steps = shaped.data.get("steps")
    for index, entry in enumerate(steps if isinstance(steps, list) else ()):
        kind = processors().get(str(entry.get("processor"))) if isinstance(entry, dict) else None
        if kind is None:
            continue
        for pattern in kind.templated:
            for path, text in texts(entry.get("config"), tuple(pattern.split(".")), ("steps", index, "config")):
                yield from (Use(name, path) for name in kind.variables(text))


def environment_uses(shaped: Shaped) -> Iterator[Use]:
    """The same of the values of environments."""
    for path, text in _environment_texts(shaped):
        yield from (Use(name, path) for name in names(text))


def texts(value: Any, pattern: tuple[str, ...], path: Where) -> Iterator[tuple[Where, str]]:
    """Every text below the parts of ``value`` that ``pattern`` names (all of it, for an empty one)."""
    if isinstance(value, str) and not pattern:
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            if not pattern or pattern[0] in ("*", key):
                yield from texts(item, pattern[1:], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if not pattern or pattern[0] == "*":
                yield from texts(item, pattern[1:], (*path, index))


def resolve_names(shaped: Shaped, declared: Mapping[str, Input] | None) -> Names:
    """Find what each variable is; a name that can be nothing becomes a problem of ``shaped``.

    ``declared`` is the ``inputs`` block, ``None`` without one.
    """
    inputs = dict(declared or {})
    for name in inputs:
        if name in (*OF_THE_RUN, *_ROOTS):
            shaped.problem(("inputs", name), "this name has a meaning of its own: choose another", key=True)
    environment = _environment_names(shaped, inputs)
    env: dict[str, None] = {}
    chosen: dict[str, None] = {}
    for use in uses(shaped):
        root, _, rest = use.name.partition(".")
        if root == "env" and rest:
            env[rest] = None
        elif root in ("steps", "slice") and rest:
            _check_reference(shaped, use, root, rest)
        elif use.name in ("incremental.mark", "incremental.until"):
            if "incremental" not in _config(shaped, use.path):
                shaped.problem(use.path, f"{{{use.name}}}: this step is not incremental")
        elif use.name == OF_THE_PAGE and use.name not in inputs:
            if not _maps(shaped, use.path):
                shaped.problem(use.path, "{fetched_at}: only known where answers become rows; here use {now}")
        elif use.name in environment:
            chosen[use.name] = None
        elif use.name in OF_THE_RUN or _of_inputs(use.name, inputs):
            continue
        elif use.name.removesuffix("_unix") in DATES:
            inputs[use.name.removesuffix("_unix")] = Input(type="date")
        elif declared is None and not rest and root not in _ROOTS:
            inputs[use.name] = Input()
        else:
            known = [*inputs, *environment, *OF_THE_RUN]
            hint = did_you_mean(use.name, known) or f"; inputs: {', '.join(inputs) or 'none'}"
            shaped.problem(use.path, f"unknown variable {{{use.name}}}{hint}")
    for key, value in _environment_texts(shaped):
        for name in names(value):
            if name.startswith("env."):
                env[name.removeprefix("env.")] = None
            else:
                shaped.problem(key, f"unknown variable {{{name}}}: values of environments may use {{env.NAME}} only")
    return Names(inputs, tuple(env), tuple(chosen))


def _of_inputs(name: str, inputs: Mapping[str, Input]) -> bool:
    base, _, member = name.partition(".")
    if member:
        return base in inputs and inputs[base].type == "map"
    dated = inputs.get(name.removesuffix("_unix"))
    return name in inputs or (name.endswith("_unix") and dated is not None and dated.type == "date")


def _config(shaped: Shaped, path: Where) -> Mapping[str, Any]:
    """The configuration that a text at ``path`` stands in."""
    if path[0] != "steps" or not isinstance(path[1], int):
        return {}
    config = shaped.data["steps"][path[1]].get("config")
    return config if isinstance(config, dict) else {}


def _maps(shaped: Shaped, path: Where) -> bool:
    """Whether a text at ``path`` says what is made of the answers, not what is asked."""
    if path[0] != "steps" or not isinstance(path[1], int):
        return False
    kind = processors().get(str(shaped.data["steps"][path[1]].get("processor")))
    return kind is not None and path[3] in kind.mapping_fields


def _environment_names(shaped: Shaped, inputs: Mapping[str, Input]) -> list[str]:
    found: dict[str, None] = {}
    environments = shaped.data.get("environments")
    for label, values in environments.items() if isinstance(environments, dict) else ():
        for name in values if isinstance(values, dict) else ():
            if name in _ENVIRONMENT_KEYS:
                continue
            found[name] = None
            if name in inputs or name in (*OF_THE_RUN, *_ROOTS, *DATES):
                what = "an input too" if name in inputs else "a name with a meaning of its own"
                shaped.problem(("environments", label, name), f"{what}: choose another name", key=True)
    return list(found)


def _environment_texts(shaped: Shaped) -> Iterator[tuple[Where, str]]:
    environments = shaped.data.get("environments")
    for label, values in environments.items() if isinstance(environments, dict) else ():
        for name, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, str):
                yield ("environments", label, name), value


def _check_reference(shaped: Shaped, use: Use, root: str, rest: str) -> None:
    steps = shaped.data["steps"]
    at = use.path[1] if use.path[0] == "steps" and isinstance(use.path[1], int) else 0
    if root == "steps":
        order = [str(entry.get("step")) if isinstance(entry, dict) else "" for entry in steps]
        wanted, _, key = rest.partition(".")
        if not key:
            shaped.problem(use.path, f"{{{use.name}}} names no value: write {{steps.{wanted}.rows_extracted}}")
        elif wanted not in order:
            shaped.problem(use.path, f"{{{use.name}}}: there is no step {wanted!r}{did_you_mean(wanted, order)}")
        elif order.index(wanted) >= at:
            shaped.problem(use.path, f"{{{use.name}}}: {wanted!r} is no earlier step")
        return
    known = _slice_names(_config(shaped, use.path).get("slices"))
    if known == []:
        shaped.problem(use.path, f"{{{use.name}}}: this step has no slices")
    elif use.path[3] == "slices":
        shaped.problem(use.path, f"{{{use.name}}}: slices cannot be made from themselves")
    elif known is not None and rest not in known:
        hint = did_you_mean(rest, known) or f"; there are: {', '.join(known)}"
        shaped.problem(use.path, f"{{{use.name}}}: the slices have no {rest!r}{hint}")


def _slice_names(slices: Any) -> list[str] | None:
    """What a slice gives; ``None`` when only a query will tell."""
    if not isinstance(slices, dict):
        return []
    if isinstance(slices.get("each"), dict):
        return list(slices["each"])
    return ["start", "end", "start_unix", "end_unix"] if "dates" in slices else None


def choose_environment(
    environments: Mapping[str, Mapping[str, Any]], asked: str | None, variable: str, environ: Mapping[str, str]
) -> tuple[str | None, dict[str, Any]]:
    """The environment that ``asked``, else the environment variable ``variable``, names; and its values.
    Raises InputError for one that the file does not have."""
    name = asked or environ.get(variable) or None
    if name is None:
        return None, {}
    if name not in environments:
        if not asked and not environments:
            return None, {}
        origin = "" if asked else f" (from {variable})"
        raise InputError(
            f"unknown environment {name!r}{origin}{did_you_mean(name, environments)}",
            hint=f"environments: {', '.join(environments) or 'the file has none'}",
        )

    def from_env(variable: str) -> Any:
        return environ_value(environ, variable.removeprefix("env."))

    values = environments[name].items()
    return name, {key: render(value, from_env) if isinstance(value, str) else value for key, value in values}


def environ_value(environ: Mapping[str, str], name: str) -> str:
    """An environment variable. Raises InputError when it is not set."""
    if name not in environ:
        raise InputError(f"the environment variable {name} is not set", hint=f"the file uses {{env.{name}}}")
    return environ[name]


@dataclass(frozen=True)
class Variables:
    """What the names of a file give, apart from what only the run knows."""

    inputs: Mapping[str, Input]
    params: Mapping[str, Any]
    org: str
    environment: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    trust: Trust = EVERYTHING

    @classmethod
    def of_record(
        cls,
        pipeline: Pipeline,
        params: Mapping[str, Any],
        org: str,
        environment: str | None,
        environ: Mapping[str, str],
        trust: Trust = EVERYTHING,
    ) -> Variables:
        """The variables of a run that began earlier, from what its record kept."""
        inputs = dict(pipeline.inputs or {})
        for name in params:
            inputs.setdefault(name, Input(type="date") if name in DATES else Input())
        environ = trust.readable(environ)
        _, values = choose_environment(pipeline.environments, environment, pipeline.environment_variable, environ)
        own = {k: v for k, v in values.items() if k not in _ENVIRONMENT_KEYS}
        return cls(inputs, params, org, own, environ, trust)

    def lookup(
        self,
        *,
        run_id: str,
        now: int,
        request_id: str | None = None,
        steps: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Lookup:
        """A lookup for one run. ``now`` is its moment in microseconds since 1970; ``request_id`` is by
        default the run's id; ``steps`` are the results of earlier steps. ``{slice.…}`` is the crawl's to add.
        The lookup gives ``None`` for an absent optional input and raises UnknownVariable or InputError."""
        moment = dt.datetime.fromtimestamp(now // 1_000_000, dt.UTC)
        day = moment.date().isoformat()
        of_the_run: dict[str, Any] = {
            "org_slug": self.org,
            "run_id": run_id,
            "request_id": request_id or run_id,
            "now": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "now_unix": now // 1_000_000,
            "date": day,
            "date_unix": unix(day),
        }
        results = steps if steps is not None else {}

        def look_up(name: str) -> Any:
            if name in of_the_run:
                return of_the_run[name]
            root, _, rest = name.partition(".")
            if root == "env" and rest:
                self.trust.check_env(rest)
                return environ_value(self.environ, rest)
            if root == "steps" and rest:
                step, _, key = rest.partition(".")
                if key in results.get(step, {}):
                    return results[step][key]
                raise UnknownVariable(name, [f"steps.{s}.{k}" for s, values in results.items() for k in values])
            if _of_inputs(name, self.inputs):
                return self._input(name)
            if name in self.environment:
                return self.environment[name]
            raise UnknownVariable(name, [*self.params, *self.environment, *of_the_run])

        return look_up

    def _input(self, name: str) -> Any:
        if name in self.params:
            return self.params[name]
        base, _, member = name.partition(".")
        if member:
            return (self.params[base] or {}).get(member)
        value = self.params[name.removesuffix("_unix")]
        return None if value is None else unix(value)
