"""From what a caller asks for to a queued request, and from a queued request to what runs. Nothing is opened here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headrace.core.clock import SystemClock, new_run_id
from headrace.core.errors import HeadraceError, InputError
from headrace.pipeline.hashes import fingerprint
from headrace.runner.api import Prepared, prepare
from headrace.service.catalogue import Catalogue
from headrace.service.config import ServiceConfig
from headrace.state.progress.contract import Request

if TYPE_CHECKING:
    from headrace.service.context import Service


def ask_for_run(
    service: Service,
    *,
    org: str,
    pipeline: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    destination: str | None = None,
    steps: Sequence[str] = (),
    max_pages: int | None = None,
    key: str = "",
    asked_by: str = "",
) -> Request:
    """Queue a run, checked first, and wake the worker. Blocks for the store only.

    Raises UsageError for what does not fit the pipeline, ScopeIsBusy when the same is queued or running already.
    """
    name, _ = service.config.destination(destination)
    asked_for = pipeline or service.config.default_pipeline
    options: dict[str, Any] = {}
    if version := service.catalogue.find(asked_for, org).version:
        options["version"] = version
    if steps:
        options["steps"] = list(steps)
    if max_pages:
        options["max_pages"] = max_pages
    if asked_by:
        options["asked_by"] = asked_by
    request = Request(
        request_id=new_run_id(SystemClock()),
        pipeline=asked_for,
        org=org,
        destination=name,
        inputs=dict(inputs or {}),
        options=options,
    )
    prepared = prepare_request(service.config, service.catalogue, request)
    scope = fingerprint([prepared.job.scope, org, name])
    first = prepared.job.steps[0]
    asked = replace(request, scope=scope, step=first.title or first.step)
    made = service.store.create(asked, key=key)
    service.worker.wake()
    return made


def prepare_request(config: ServiceConfig, catalogue: Catalogue, request: Request) -> Prepared:
    """What ``request`` runs. Raises UsageError."""
    found = catalogue.find(request.pipeline, request.org, request.options.get("version"))
    _, url = config.destination(request.destination)
    try:
        return prepare(
            found.draft,
            run_id=request.request_id,
            params=request.inputs,
            destination=url,
            steps=request.options.get("steps", ()),
            org=request.org,
            trust=found.trust,
        )
    except InputError as error:
        allowed = ", ".join(f"{name} ({spec.type})" for name, spec in found.draft.inputs.items()) or "none"
        raise InputError(error.message, hint=f"inputs of {request.pipeline}: {allowed}", place=error.place) from None


def warm(config: ServiceConfig, catalogue: Catalogue) -> None:
    """Read every pipeline and load what checking it needs, so that the first who asks for it does not wait for that."""
    for name in sorted(catalogue.names(), key=lambda name: name != config.default_pipeline):
        with suppress(HeadraceError):
            prepare_request(config, catalogue, Request(new_run_id(SystemClock()), name))
