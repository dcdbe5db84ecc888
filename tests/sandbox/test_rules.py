"""Which requests a fault strikes: rules, drawn or counted, from the start or over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headrace.sandbox import FAULTS, RuleError

LIST = "/styles/cursor-more?limit=10"


def test_rules_choose_requests(start: Any) -> None:
    run = start(records=100)

    def statuses(n: int, target: str = LIST) -> list[int]:
        return [run.ask(target).status for _ in range(n)]

    run.sandbox.fault("status_500", nth=[2, 4])
    assert statuses(5) == [200, 500, 200, 500, 200]
    run.sandbox.clear_faults()
    run.sandbox.fault("status_500", every=3, times=1)
    assert statuses(7) == [200, 200, 500, 200, 200, 200, 200]
    run.sandbox.clear_faults()
    run.sandbox.fault("status_500", path="/styles/last-*", after=1)
    assert statuses(2) == [200, 200]
    assert statuses(3, "/styles/last-id") == [200, 500, 500]
    run.sandbox.clear_faults()
    run.sandbox.fault("status_500", contains="limit=11")
    assert statuses(1) + statuses(1, "/styles/cursor-more?limit=11") == [200, 500]


def test_probability_is_drawn_from_the_seed(start: Any) -> None:
    run = start(records=100)
    drawn = []
    for seed in (1, 1, 2):
        run.sandbox.clear_faults()
        run.sandbox.fault("status_503", probability=0.3, seed=seed)
        drawn.append([run.ask(LIST).status for _ in range(60)])
    assert drawn[0] == drawn[1] != drawn[2]
    assert 6 <= drawn[0].count(503) <= 30


def test_rules_over_http(start: Any) -> None:
    run = start(records=100)
    made = run.ask("/__faults", method="POST", body={"fault": "status_401", "nth": 1})
    assert made.status == 201
    assert run.ask(LIST).status == 401
    assert run.ask("/__faults").json["rules"] == [{"fault": "status_401", "nth": 1, "seen": 1, "fired": 1}]
    run.ask("/__reset", method="POST")
    assert run.ask(LIST).status == 401, "a reset begins the count again"
    assert run.ask("/__faults", method="DELETE").json == {"rules": []}
    assert {entry["name"] for entry in run.ask("/__switches").json} == set(FAULTS)


@pytest.mark.parametrize(
    "rule",
    [
        {"fault": "no_such"}, {"fault": "reset", "nht": 1}, {"fault": "reset", "nth": "x"}, {"fault": "reset", "every": 0},
        {"fault": "reset", "params": []}, [1], None,
    ],
)  # fmt: skip
def test_bad_rules_are_refused(rule: Any, start: Any) -> None:
    got = start().ask("/__faults", method="POST", body=json.dumps(rule).encode())
    assert got.status == 400
    assert got.json["message"]


def test_options_set_rules_from_the_start(start: Any) -> None:
    run = start(faults=({"fault": "status_403", "path": "/echo"},))
    assert run.ask("/echo").status == 403
    with pytest.raises(RuleError):
        start(faults=({"fault": "status_999"},))
