"""Everything the sandbox serves: the stand-ins beside the built-in pipelines, the generic styles, OAuth2, echo."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from headrace.sandbox.exchange import Exchange, Route
from headrace.sandbox.http import Reply, json_reply


@cache
def all_routes() -> tuple[Route, ...]:
    """The ``ROUTES`` of each ``headrace.pipelines.*_sandbox`` and each module of ``headrace.sandbox.styles``."""
    found: list[Route] = [Route("/", _index, "what there is")]
    for package, suffix in (("headrace.pipelines", "_sandbox"), ("headrace.sandbox.styles", "")):
        folder = importlib.import_module(package)
        for module in sorted(m.name for m in pkgutil.iter_modules(folder.__path__)):
            if module.endswith(suffix) and not module.startswith("_"):
                found += importlib.import_module(f"{package}.{module}").ROUTES
    return tuple(found)


def _index(exchange: Exchange) -> Reply:
    return json_reply({"sandbox": "headrace", "paths": {route.path: route.doc for route in all_routes()}})
