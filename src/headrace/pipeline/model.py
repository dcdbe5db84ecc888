"""The model of a whole pipeline file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, cast

from pydantic import Field, GetCoreSchemaHandler, create_model, field_validator
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
    org: str | None = None
    """The organisation whose credentials are used."""

    def step(self, name: str) -> PipelineStep:
        """The step called ``name``. Raises KeyError."""
        for step in self.steps:
            if step.step == name:
                return step
        raise KeyError(name)
