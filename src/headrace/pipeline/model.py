"""The model of a whole pipeline file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, cast

from pydantic import Field, GetCoreSchemaHandler, create_model, field_validator, model_validator
from pydantic_core import CoreSchema, core_schema

from headrace.core.cron import check_cron, check_timezone
from headrace.core.model import Model
from headrace.pipeline.inputs import Input
from headrace.steps.base import Step, processors

StepName = Annotated[str, Field(pattern=r"^[\w-]+$", max_length=100)]


class PipelineStep(Model):
    """One step: what it is called, what does it, and how."""

    step: StepName
    """Its name: in logs, in ``{steps.<name>.<key>}``, in the names of raw tables."""
    title: str = ""
    """What progress shows."""
    processor: str
    """The kind of step; ``ps_type`` is read as this."""
    config: Step
    needs: list[str] | None = None
    """Steps that have to be done first; by default the one before, and with ``[]`` none."""
    retry: int = Field(0, ge=0)
    """Further attempts of the whole step."""
    on_failure: Literal["stop", "continue"] = "stop"
    """Whether steps that do not need this one still run when it fails."""


@cache
def entry_models() -> dict[str, type[PipelineStep]]:
    """For each processor the step as a file writes it."""
    return {
        name: create_model(
            kind.__name__ + "Entry",
            __base__=PipelineStep,
            processor=(cast("Any", Literal[name]), ...),
            config=(kind, ...),
        )
        for name, kind in processors().items()
    }


@dataclass(frozen=True)
class AnyStep:
    """Annotates :class:`PipelineStep`: the model that ``processor`` names."""

    def __get_pydantic_core_schema__(self, base: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {name: handler.generate_schema(model) for name, model in entry_models().items()}
        return core_schema.tagged_union_schema(choices, discriminator="processor")


class Schedule(Model):
    """When the service runs the pipeline by itself."""

    cron: str = Field(pattern=r"^\S+( \S+){4}$")
    """Minute, hour, day of month, month, day of week."""
    timezone: str = "UTC"
    """A zone of the time zone database, such as Europe/Berlin."""

    @field_validator("cron")
    @classmethod
    def _comes(cls, value: str) -> str:
        return check_cron(value)

    @field_validator("timezone")
    @classmethod
    def _is_one(cls, value: str) -> str:
        return check_timezone(value)


class Validation(Model):
    """A request that tells whether a credential is valid: 2xx if it is, 401 or 403 if it is not."""

    url: str = Field(pattern=r"^(https?://|/)[\x21-\x7e]*$")
    """With ``/`` at its beginning it follows the ``base_url`` of ``source``."""
    provider: str | None = None
    """Whose credential it tries; by default that of ``source``'s ``auth``."""
    auth: dict[str, Any] | None = None
    """How it is signed; by default as ``source`` says, else as a bearer token."""


class Pipeline(Model):
    """A pipeline file: what to fetch, what to make of it, where it goes."""

    pipeline_id: str = Field("", pattern=r"^\w[\w.-]*$", max_length=200)
    """By default the file's name."""
    description: str = ""
    inputs: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][\w-]*$")], Input] | None = None
    """What a run may be given. Without this block the file's free names are its required inputs."""
    destination: str | None = None
    """URL of the database; ``--destination`` wins over it."""
    source: dict[str, Any] = Field(default_factory=dict)
    """Configuration that every extract step of the file inherits."""
    steps: list[Annotated[PipelineStep, AnyStep()]] = Field(min_length=1)
    environments: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Values by environment, used as ``{name}``; ``destination`` and ``org_slug`` set those."""
    environment_variable: str = "HEADRACE_ENV"
    """The environment variable that chooses one of ``environments``."""
    schedule: Schedule | None = None
    validation: Validation | None = Field(None, alias="validate")
    """The request by which the service tries the credential of an integration."""
    org: str | None = None
    """The organisation whose credentials are used."""

    def tries(self, provider: str) -> tuple[str, dict[str, Any]] | None:
        """URL and ``auth`` of the request that ``validate`` names for the credential of ``provider``, in any case."""
        if self.validation is None:
            return None
        auth = self.validation.auth or self.source.get("auth") or {}
        named = self.validation.provider or auth.get("provider")
        if not isinstance(named, str) or named.casefold() != provider.strip().casefold():
            return None
        base = str(self.source.get("base_url", "")) if self.validation.url.startswith("/") else ""
        return base.rstrip("/") + self.validation.url, dict(auth)

    @model_validator(mode="after")
    def _tried_somewhere(self) -> Pipeline:
        if self.validation is not None:
            relative = self.validation.url.startswith("/")
            if relative and not self.source.get("base_url"):
                raise ValueError(f"validate.url {self.validation.url!r} needs a base_url in source in front")
            if "{" in self.validation.url or (relative and "{" in str(self.source["base_url"])):
                raise ValueError("the url of validate takes no variables: it is asked without a run")
            auth = self.validation.auth or self.source.get("auth") or {}
            if not (self.validation.provider or auth.get("provider")):
                raise ValueError("validate: say whose credential it tries, such as provider: HUBSPOT")
        return self

    def step(self, name: str) -> PipelineStep:
        """The step called ``name``. Raises KeyError."""
        for step in self.steps:
            if step.step == name:
                return step
        raise KeyError(name)
