"""What every page's route does alike: errors are pages too."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from headrace.core.errors import HeadraceError
from headrace.service import problems
from headrace.service.pages.render import address, page


@dataclass(frozen=True, slots=True)
class ProblemView:
    """An error as a page shows it. ``run`` is the run that stands in the way."""

    title: str
    message: str
    remedy: str = ""
    run: str = ""
    status: int = 500


_TITLES = {
    400: "That was not understood", 401: "Sign in first", 403: "Not allowed", 404: "There is no such thing",
    409: "Something stands in the way", 422: "That does not fit", 429: "Too many requests",
    502: "The API did not answer as it should", 503: "Not reachable now",
}  # fmt: skip


def problem_of(error: HeadraceError) -> ProblemView:
    """``error`` as a page shows it."""
    found = problems.of(error)
    title = _TITLES.get(found.status, "Something went wrong")
    return ProblemView(title, found.detail, found.remedy, found.request_id or "", found.status)


class PageRoute(APIRoute):
    """A route whose errors are pages; a caller without a key is asked for one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except HeadraceError as error:
                problem = problem_of(error)
                if problem.status == 401:
                    back = request.url.path if request.method == "GET" else "/"
                    return RedirectResponse(address("/ui/login", next=back), 303)
                return page("problem.html", status=problem.status, problem=problem)
            except RequestValidationError as error:
                lines = "; ".join(f"{e['loc'][-1]}: {e['msg']}" for e in error.errors())
                return page("problem.html", status=422, problem=ProblemView(_TITLES[422], lines, status=422))

        return answer


def go(path: str) -> Response:
    """After a form: look at ``path``."""
    return RedirectResponse(path, 303)
