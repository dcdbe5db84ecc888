"""Pipelines: which there are, and new ones."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from headrace.core.errors import InputError, PipelineFileError
from headrace.pipeline.check import check_draft
from headrace.pipeline.inputs import InputType
from headrace.service import problems
from headrace.service.catalogue import Catalogue, Found, Origin, spells_out_secret
from headrace.service.context import Here
from headrace.service.security import Admin, Reader

router = APIRouter(prefix="/pipelines", tags=["pipelines"])

_log = logging.getLogger("headrace.service")


class InputView(BaseModel):
    """What a run may be given."""

    name: str
    type: InputType
    required: bool
    default: Any
    choices: list[Any]
    description: str


class StepView(BaseModel):
    """A step of a pipeline."""

    step: str
    title: str
    processor: str


class PipelineSummary(BaseModel):
    """A pipeline that there is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    pipeline: str
    origin: Origin
    """``built-in``, a ``file`` of the service's folder, or ``sent`` to the service."""
    version: int
    """Counts what was sent under this name; 0 for a pipeline of the service itself."""
    description: str
    errors: list[str]
    """What keeps a file from running, with its place."""


class PipelineView(PipelineSummary):
    """A pipeline in full."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    inputs: list[InputView]
    steps: list[StepView]
    schedule: dict[str, str] | None
    warnings: list[str]
    text: str | None
    """The file; null where it spells out a credential."""


class PipelineList(BaseModel):
    """Pipelines by name."""

    pipelines: list[PipelineSummary]


@router.get("")
async def list_pipelines(service: Here, caller: Reader) -> PipelineList:
    """Every pipeline that the organisation can run."""
    return PipelineList(pipelines=await asyncio.to_thread(_summaries, service.catalogue, caller.org))


Version = Annotated[int | None, Query(ge=1, le=10**9, description="Of a sent pipeline; by default the latest.")]


@router.get("/{pipeline_id}", responses=problems.declared(404, 422))
async def one(service: Here, caller: Reader, pipeline_id: str, version: Version = None) -> PipelineView:
    """A pipeline: its inputs, its steps and its text."""
    found = await asyncio.to_thread(_find, service.catalogue, caller.org, pipeline_id, version)
    return _view(pipeline_id, found)


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string"}} for kind in ("application/yaml", "text/plain")},
    }
}
IfMatch = Annotated[
    str | None,
    Header(pattern=r'^"?\d{1,9}"?$', description="The version that is to be replaced; 0: there must be none."),
]


@router.put(
    "/{pipeline_id}",
    openapi_extra=_BODY,
    responses={201: {"model": PipelineView}, **problems.declared(400, 404, 409, 412, 422)},
)
async def put(
    service: Here, caller: Admin, pipeline_id: str, request: Request, response: Response, if_match: IfMatch = None
) -> PipelineView:
    """Send a pipeline file (YAML, as it is): the next version of this name, checked first. It may reach what the
    service's configuration allows; what is wrong with it is told as file:line:column."""
    try:
        text = (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("the body is not UTF-8 text", hint="send the pipeline file as it is") from None
    expected = int(if_match.strip('"')) if if_match is not None else None
    found = await asyncio.to_thread(service.catalogue.send, caller.org, pipeline_id, text, expected=expected)
    if found is None:
        raise problems.Refusal(412, "another version is there meanwhile", hint="look at it: GET /pipelines/…")
    _log.info("pipeline %s of %s, version %d, was sent by %s", pipeline_id, caller.org, found.version, caller.key_id)
    response.status_code = 201 if found.version == 1 else 200
    response.headers["ETag"] = f'"{found.version}"'
    return _view(pipeline_id, found)


@router.delete("/{pipeline_id}", status_code=204, responses=problems.declared(404, 409, 412, 422))
async def remove(service: Here, caller: Admin, pipeline_id: str, if_match: IfMatch = None) -> None:
    """Offer a sent pipeline no longer. Its versions are kept: runs that began with one go on. 409 for a pipeline of the
    service itself."""
    expected = int(if_match.strip('"')) if if_match is not None else None
    if not await asyncio.to_thread(service.catalogue.remove, caller.org, pipeline_id, expected=expected):
        raise problems.Refusal(412, "another version is there meanwhile", hint="look at it: GET /pipelines/…")
    _log.info("pipeline %s of %s was removed by %s", pipeline_id, caller.org, caller.key_id)


def _summaries(catalogue: Catalogue, org: str) -> list[PipelineSummary]:
    shown = []
    for name in catalogue.names(org):
        try:
            shown.append(_summary(name, catalogue.find(name, org)))
        except PipelineFileError as error:
            shown.append(
                PipelineSummary(pipeline=name, origin="file", version=0, description="", errors=error.problems)
            )
        except InputError:
            continue  # gone since it was listed
    return shown


def _find(catalogue: Catalogue, org: str, name: str, version: int | None) -> Found:
    if name not in catalogue.names(org):
        raise problems.not_found("pipeline", name, hint="GET /pipelines lists them")
    try:
        found = catalogue.find(name, org, version)
    except InputError:
        found = None
    if found is None or (version is not None and version != found.version):
        raise problems.not_found("pipeline of this version", f"{name} {version}")
    return found


def _summary(name: str, found: Found) -> PipelineSummary:
    described = found.draft.pipeline.description
    return PipelineSummary(pipeline=name, origin=found.origin, version=found.version, description=described, errors=[])


def _view(name: str, found: Found) -> PipelineView:
    draft = found.draft
    schedule = draft.pipeline.schedule
    return PipelineView(
        **_summary(name, found).model_dump(),
        inputs=[
            InputView(name=key, type=spec.type, required=spec.needed, default=spec.default, choices=spec.choices,
                      description=spec.description)
            for key, spec in draft.inputs.items()
        ],
        steps=[
            StepView(step=entry.step, title=entry.title or entry.step, processor=entry.processor)
            for entry in draft.pipeline.steps
        ],
        schedule=schedule.model_dump() if schedule is not None else None,
        warnings=check_draft(draft),
        text=None if spells_out_secret(draft) else found.text,
    )  # fmt: skip
