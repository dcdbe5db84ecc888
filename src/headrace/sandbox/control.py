"""The sandbox's own paths: ``/__stats``, ``/__reset``, ``/__faults``, ``/__routes``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.sandbox.exchange import refusal
from headrace.sandbox.faults import FAULTS, Rule, RuleError
from headrace.sandbox.http import Incoming, Reply, json_reply
from headrace.sandbox.routes import all_routes

if TYPE_CHECKING:
    from headrace.sandbox.server import Server


def control(server: Server, request: Incoming) -> Reply:
    """Answer a path that begins with ``/__``."""
    match (request.method, request.path):
        case ("GET", "/__stats"):
            return json_reply(server.stats.as_dict(exact=request.query.get("exact") != "0"))
        case ("POST", "/__reset"):
            server.reset()
            return json_reply({"reset": True})
        case ("GET", "/__faults"):
            return json_reply(_faults(server))
        case ("POST", "/__faults"):
            given = request.json
            try:
                rules = [Rule(rule) for rule in (given if isinstance(given, list) else [given])]
            except (RuleError, TypeError, AttributeError) as error:
                return refusal(400, str(error))
            server.rules += rules
            return json_reply(_faults(server), 201)
        case ("DELETE", "/__faults"):
            server.rules = []
            return json_reply(_faults(server))
        case ("GET", "/__switches"):
            return json_reply(
                [
                    {
                        "name": fault.name,
                        "stage": fault.stage,
                        "description": fault.description,
                        "must": fault.must,
                        "because": fault.because,
                        "params": dict(fault.params),
                    }
                    for fault in FAULTS.values()
                ]
            )
        case ("GET", "/__routes"):
            return json_reply({route.path: route.doc for route in all_routes()})
        case _:
            return refusal(404, "The sandbox's own paths: /__stats, /__reset, /__faults, /__switches, /__routes.")


def _faults(server: Server) -> dict[str, object]:
    return {"rules": [rule.as_dict() for rule in server.rules]}
