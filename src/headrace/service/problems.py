"""Every error of the service as problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from headrace.core import errors
from headrace.core.errors import HeadraceError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

_STATUS: Sequence[tuple[type[HeadraceError], int]] = (
    (errors.RunRefused, 409),
    (errors.UsageError, 422),
    (errors.KeyUnavailable, 503),
    (errors.CredentialError, 422),
    (errors.StateError, 503),
    (errors.CannotOpen, 503),
    (errors.SourceError, 502),
)
"""The first class that fits decides; all else is a failure of the service (500)."""


class Problem(BaseModel):
    """What went wrong, and what to do about it."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    type: str = "about:blank"
    """A URI that names the kind of problem."""
    title: str
    """The kind of problem in words."""
    status: int
    """The HTTP status."""
    detail: str = ""
    """What happened here."""
    remedy: str = ""
    """What to do about it."""
    errors: list[str] = Field(default_factory=list)
    """Each thing that is wrong with what was sent."""
    request_id: str | None = None
    """The run that stands in the way."""


class Refusal(HeadraceError):
    """An answer that is an error with a status of its own, such as 404. ``more`` are further members."""

    def __init__(
        self, status: int, message: str, *, hint: str = "", headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.headers = headers or {}
        self.more = more


def not_found(what: str, name: str, *, hint: str = "") -> Refusal:
    """The same answer for what there is not and for what is another organisation's."""
    return Refusal(404, f"there is no {what} {name!r}", hint=hint)


def of(error: HeadraceError) -> Problem:
    """The problem that ``error`` is to a client. It says no more than the message does."""
    if isinstance(error, Refusal):
        return _problem(error.status, error.message, error.hint, **error.more)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    more: dict[str, Any] = {}
    if isinstance(error, errors.PipelineFileError):
        more["errors"] = error.problems
    if isinstance(error, errors.ScopeIsBusy):
        more["request_id"] = error.request_id
    place = f"{error.place}: " if error.place else ""
    return _problem(status, place + error.message, error.hint, **more)


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer with these statuses, in the OpenAPI document."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem, and say so in its OpenAPI document."""
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document

    @app.exception_handler(HeadraceError)
    async def _ours(request: Request, error: HeadraceError) -> Response:
        return answer(of(error), error.headers if isinstance(error, Refusal) else None)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        # Not the values themselves: one of them may be a secret that was put in the wrong place.
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        return answer(_problem(422, "; ".join(lines), "", errors=lines))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        headers = {str(key): str(value) for key, value in (error.headers or {}).items()}
        return answer(_problem(error.status_code, str(error.detail), ""), headers)

    @app.exception_handler(Exception)
    async def _defect(request: Request, error: Exception) -> Response:
        return answer(_problem(500, "a defect of the service; its log says where", ""))


def answer(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """``problem`` as a response."""
    from starlette.responses import Response

    headers = dict(headers or {})
    if problem.status == 503:
        headers.setdefault("Retry-After", "2")
    text = json.dumps(problem.model_dump(exclude_none=True), ensure_ascii=False, separators=(",", ":"))
    # What is no text (half a surrogate pair) becomes an escape, which JSON has too.
    return Response(text.encode("utf-8", "backslashreplace"), problem.status, headers, MEDIA_TYPE)


def _problem(status: int, detail: str, remedy: str, **more: Any) -> Problem:
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    return Problem(title=title, status=status, detail=detail, remedy=remedy, **more)
