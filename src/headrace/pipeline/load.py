"""From a name or a file to a pipeline that can run: everything checked, every problem at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headrace import pipelines
from headrace.core.errors import InputError, NotAllowed, PipelineFileError, UsageError
from headrace.core.organisations import org_slug
from headrace.core.suggest import did_you_mean
from headrace.core.templates import render
from headrace.core.trust import EVERYTHING, Trust
from headrace.mapping.spec import table_specs
from headrace.pipeline import hashes, reach, sql, yaml
from headrace.pipeline.explain import explain
from headrace.pipeline.inputs import Input, collect
from headrace.pipeline.model import Pipeline
from headrace.pipeline.secrets import mask, mask_url
from headrace.pipeline.shape import Problem, Shaped, shape
from headrace.pipeline.variables import Names, Variables, choose_environment, environ_value, resolve_names
from headrace.steps.generic.api_extractor import ApiExtractor
from headrace.steps.source import Source

DEFAULT_DESTINATION = "duckdb:///headrace.duckdb"


@dataclass(frozen=True)
class Draft:
    """A file that is right in itself; what a run is given is still to come."""

    file: str
    pipeline: Pipeline
    names: Names
    shaped: Shaped = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def inputs(self) -> Mapping[str, Input]:
        """What a run may be given."""
        return self.names.inputs

    def bind(
        self,
        *,
        params: Mapping[str, Any] | None = None,
        env: str | None = None,
        org: str | None = None,
        destination: str | None = None,
        environ: Mapping[str, str] | None = None,
        scope: str | None = None,
        trust: Trust = EVERYTHING,
    ) -> Loaded:
        """Give the file what it needs to run. Raises InputError, and NotAllowed for what ``trust`` withholds."""
        environ = trust.readable(os.environ if environ is None else environ)
        pipeline = self.pipeline
        environment, values = choose_environment(pipeline.environments, env, pipeline.environment_variable, environ)
        lacking = [name for name in self.names.environment if name not in values]
        if lacking:
            raise InputError(
                f"environment {environment!r} has no value for {', '.join(lacking)}"
                if environment
                else f"no environment is chosen, and {', '.join(lacking)} depends on it",
                hint=f"choose with --env or {pipeline.environment_variable}: {', '.join(pipeline.environments)}",
            )
        for name in self.names.env:
            if not self._only_in_other_environments(name, environment):
                trust.check_env(name)
                environ_value(environ, name)
        org = org_slug(org or values.get("org_slug") or pipeline.org or environ.get("HEADRACE_ORG") or "default")
        variables = Variables(
            inputs=self.inputs,
            params=collect(self.inputs, params or {}),
            org=org,
            environment={key: value for key, value in values.items() if key not in ("destination", "org_slug")},
            environ=environ,
            trust=trust,
        )
        if destination is None and not trust.own_destination:
            raise NotAllowed(
                "a pipeline may not choose its own destination here",
                hint="name one of the destinations in the service's configuration",
            )
        return Loaded(
            file=self.file,
            pipeline=pipeline,
            variables=variables,
            environment=environment,
            destination=destination or self._destination(values, variables, environ),
            scope=hashes.of_organisation(scope, org) or hashes.scope(pipeline.pipeline_id, org, variables.params),
            request_hash=hashes.request_hash(
                pipeline, {name: variables.environment[name] for name in self.names.environment}
            ),
            mapping_hash=hashes.mapping_hash(pipeline),
            warnings=self.warnings,
            data=self.shaped.data,
        )

    def _only_in_other_environments(self, name: str, environment: str | None) -> bool:
        hole = f"{{env.{name}}}"
        written = {
            label
            for label, values in self.pipeline.environments.items()
            if any(hole in str(v) for v in values.values())
        }
        elsewhere = any(hole in str(part) for key, part in self.shaped.data.items() if key != "environments")
        return bool(written) and environment not in written and not elsewhere

    def _destination(self, values: Mapping[str, Any], variables: Variables, environ: Mapping[str, str]) -> str:
        in_file = values.get("destination") or self.pipeline.destination
        if in_file:
            return str(render(str(in_file), variables.lookup(run_id="", now=0)))
        return environ.get("HEADRACE_DESTINATION") or environ.get("DATABASE_URL") or DEFAULT_DESTINATION


@dataclass(frozen=True)
class Loaded:
    """A pipeline with all that a run of it needs."""

    file: str
    pipeline: Pipeline
    variables: Variables
    environment: str | None
    destination: str = field(repr=False)
    """URL of the database; may hold a password."""
    scope: str
    """Fingerprint of what the crawl covers: pipeline, organisation, inputs."""
    request_hash: str
    """Fingerprint of the file's request part."""
    mapping_hash: str
    """Fingerprint of what the file makes of the answers."""
    warnings: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def params(self) -> Mapping[str, Any]:
        """Every input's value; absent optional ones are ``None``."""
        return self.variables.params

    @property
    def org(self) -> str:
        return self.variables.org

    def resolved(self) -> dict[str, Any]:
        """The whole file as it runs, as plain data without secrets: short forms written out, the source block
        inside each step. :func:`from_resolved` reads it again."""
        plain = {key: value for key, value in self.data.items() if key != "source"}
        return mask({**plain, "destination": mask_url(self.destination), "environment": self.environment})


def from_resolved(resolved: Mapping[str, Any]) -> Pipeline:
    """The pipeline that :meth:`Loaded.resolved` was made from (literal secrets excepted).
    Raises PipelineFileError when this version cannot read it."""
    try:
        return Pipeline.model_validate(
            {k: v for k, v in resolved.items() if k not in ("environment", "chosen", "backfill")}
        )
    except ValidationError as error:
        raise PipelineFileError(
            [f"the stored pipeline cannot be read by this version: {error.errors()[0]['msg']}"]
        ) from None


def load(
    source: str | Path,
    *,
    params: Mapping[str, Any] | None = None,
    env: str | None = None,
    org: str | None = None,
    destination: str | None = None,
    environ: Mapping[str, str] | None = None,
    scope: str | None = None,
    trust: Trust = EVERYTHING,
) -> Loaded:
    """Load the built-in pipeline or the file ``source`` and give it ``params``.

    ``environ`` is by default the process's environment; ``trust`` says what of it ``{env.NAME}`` may read, and what
    else the file may reach. Raises
    UsageError for an unknown name, PipelineFileError with every problem of the file, InputError for a
    missing, unknown or unfit input, variable or environment.
    """
    return draft(source, trust).bind(
        params=params, env=env, org=org, destination=destination, environ=environ, scope=scope, trust=trust
    )


def draft(source: str | Path, trust: Trust = EVERYTHING) -> Draft:
    """Read and check the file alone. Raises UsageError or PipelineFileError."""
    text, name = find(source, trust)
    return parse(text, name, trust)


def parse(text: bytes | str, name: str = "pipeline.yml", trust: Trust = EVERYTHING) -> Draft:
    """Check the text of a file called ``name``, and whether it stays within ``trust``. Raises PipelineFileError with
    every problem."""
    document = yaml.read(text, name)
    shaped = shape(document, Path(name).stem)
    sql.inline(shaped, name, trust)
    pipeline = _validate(shaped)
    declared = _declared(shaped.data, pipeline)
    found = resolve_names(shaped, declared)
    _check_steps(shaped)
    _check_tables(shaped, pipeline)
    reach.add_problems(shaped, trust)
    if shaped.problems or pipeline is None:
        raise yaml.refusal(name, _lines(shaped.problems, name))
    warnings = (*document.warnings, *_lines(shaped.warnings, name))
    return Draft(name, _with_repeats(pipeline, found.inputs), found, shaped, warnings)


def find(source: str | Path, trust: Trust = EVERYTHING) -> tuple[bytes, str]:
    """The text of a built-in pipeline or a file, and what to call it. Raises UsageError."""
    if isinstance(source, str) and source in pipelines.names():
        return pipelines.read(source), f"{source}.yml"
    path = trust.file(Path(source), what="pipeline file")
    try:
        with path.open("rb") as file:
            return file.read(yaml.MAX_BYTES + 1), str(source)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {str(source)!r}: {getattr(error, 'strerror', None) or error}") from None
    built_in = pipelines.names()
    hint = did_you_mean(str(source), built_in)
    raise UsageError(
        f"{str(source)!r} is neither a file nor a built-in pipeline{hint}",
        hint=f"built-in pipelines: {', '.join(built_in) or 'none'}",
    )


def _validate(shaped: Shaped) -> Pipeline | None:
    try:
        return Pipeline.model_validate(shaped.data)
    except ValidationError as error:
        explain(error, shaped)
        return None


def _declared(data: Mapping[str, Any], pipeline: Pipeline | None) -> dict[str, Input] | None:
    """The ``inputs`` block; what is wrong in it counts as a plain input, so that its uses are not wrong too."""
    if pipeline is not None:
        return pipeline.inputs
    block = data.get("inputs")
    if not isinstance(block, dict):
        return None if block is None else {}
    found: dict[str, Input] = {}
    for name, spec in block.items():
        try:
            found[name] = Input.model_validate(spec)
        except ValidationError:
            kind = spec.get("type") if isinstance(spec, dict) else None
            found[name] = Input(type=kind if kind in ("list", "map", "date") else "string")
    return found


def _check_steps(shaped: Shaped) -> None:
    """Names that are used twice, and ``needs`` that lead nowhere or in a circle."""
    steps = shaped.data.get("steps")
    entries = [entry if isinstance(entry, dict) else {} for entry in steps] if isinstance(steps, list) else []
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = entry.get("step")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            shaped.problem(("steps", index, "step"), f"a second step called {name!r}")
    for index, entry in enumerate(entries):
        needs = entry.get("needs")
        for at, name in enumerate(needs if isinstance(needs, list) else ()):
            if not isinstance(name, str):
                continue
            if name not in first:
                shaped.problem(("steps", index, "needs", at), f"there is no step {name!r}{did_you_mean(name, first)}")
            elif first[name] >= index:
                shaped.problem(("steps", index, "needs", at), f"{name!r} is no earlier step: put it before this one")


def _check_tables(shaped: Shaped, pipeline: Pipeline | None) -> None:
    """Paths that leave their table's element, and the like."""
    for index, entry in enumerate(pipeline.steps if pipeline is not None else ()):
        if isinstance(entry.config, ApiExtractor):
            for number, table in enumerate(entry.config.tables):
                try:
                    table_specs([table])
                except PipelineFileError as error:
                    for message in error.problems:
                        shaped.problem(("steps", index, "config", "tables", number), message)


def _with_repeats(pipeline: Pipeline, inputs: Mapping[str, Input]) -> Pipeline:
    """Parameters that are one input with ``repeat: true`` are added to their step's ``repeat_params``."""
    repeated = {f"{{{name}}}" for name, spec in inputs.items() if spec.repeat}
    steps = []
    for entry in pipeline.steps:
        config = entry.config
        if isinstance(config, Source):
            params = [key for key, text in config.params.items() if isinstance(text, str) and text in repeated]
            extra = [key for key in params if key not in config.repeat_params]
            if extra:
                config = config.model_copy(update={"repeat_params": [*config.repeat_params, *extra]})
                entry = entry.model_copy(update={"config": config})
        steps.append(entry)
    return pipeline.model_copy(update={"steps": steps})


def _lines(problems: list[Problem], name: str) -> list[str]:
    return list(dict.fromkeys(problem.text(name) for problem in sorted(problems)))
