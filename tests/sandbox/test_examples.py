"""The stand-ins of the example pipelines: paging, limits and errors as each API has them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from headrace.pipelines import github_sandbox, hubspot_sandbox, stripe_sandbox, vendor_sandbox

BEARER = {"Authorization": "Bearer some-key", "User-Agent": "test"}
HUBSPOT, STRIPE, GITHUB = "/crm/v3/objects/contacts", "/v1/balance_transactions", "/orgs/acme/repos"


def test_hubspot(start: Any) -> None:
    ask = start(records=25).ask
    assert ask(HUBSPOT).status == 401
    assert ask(HUBSPOT).json["category"] == "INVALID_AUTHENTICATION"
    first = ask(HUBSPOT, headers=BEARER)
    assert len(first.json["results"]) == 10
    assert first.json["paging"]["next"]["after"] == "10"
    assert first.headers["x-hubspot-ratelimit-max"] == "100"
    last = ask(HUBSPOT, {"limit": 100, "after": "10"}, headers=BEARER).json
    assert (len(last["results"]), "paging" in last) == (15, False)
    contact = last["results"][0]
    assert contact["id"] == contact["properties"]["hs_object_id"] == "131"
    for params in ({"limit": 101}, {"limit": 0}, {"after": "x"}):
        refused = ask(HUBSPOT, params, headers=BEARER)
        assert (refused.status, refused.json["category"]) == (400, "VALIDATION_ERROR")


def test_stripe(start: Any) -> None:
    ask = start(records=25).ask
    assert ask(STRIPE).status == 401
    assert ask(STRIPE, headers={"Authorization": "Basic c29tZS1rZXk6"}).status == 200
    page = ask(STRIPE, {"limit": 20}, headers=BEARER).json
    created = [row["created"] for row in page["data"]]
    assert (page["object"], page["has_more"], created) == ("list", True, sorted(created, reverse=True))
    rest = ask(STRIPE, {"limit": 20, "starting_after": page["data"][-1]["id"]}, headers=BEARER).json
    assert (len(rest["data"]), rest["has_more"]) == (5, False)
    after_all = ask(STRIPE, {"starting_after": rest["data"][-1]["id"]}, headers=BEARER).json
    assert (after_all["data"], after_all["has_more"]) == ([], False)
    between = {"created[gte]": created[9], "created[lte]": created[3]}
    assert [row["created"] for row in ask(STRIPE, between, headers=BEARER).json["data"]] == created[3:10]
    outside = {"created[gt]": created[9], "created[lt]": created[3]}
    assert [row["created"] for row in ask(STRIPE, outside, headers=BEARER).json["data"]] == created[4:9]
    assert ask(STRIPE, {"created[gt]": created[0]}, headers=BEARER).json["data"] == []
    for params, name in (
        ({"limit": 101}, "limit"), ({"limit": "x"}, "limit"), ({"starting_after": "txn_1"}, "starting_after"),
        ({"page": 2}, "page"),
    ):  # fmt: skip
        refused = ask(STRIPE, params, headers=BEARER)
        assert (refused.status, refused.json["error"]["param"]) == (400, name)
        assert refused.json["error"]["type"] == "invalid_request_error"


def test_github(start: Any) -> None:
    run = start(records=70)
    ask = run.ask
    assert ask(GITHUB, headers={"User-Agent": ""}).status == 403
    first = ask(GITHUB, headers=BEARER)
    assert len(first.json) == 30
    links = dict(reversed(pair) for pair in re.findall(r'<([^>]+)>; rel="(\w+)"', first.headers["link"]))
    number = github_sandbox.identity("acme")
    assert links == {
        rel: f"{ask.url}/organizations/{number}/repos?page={page}" for rel, page in (("next", 2), ("last", 3))
    }
    last = ask(links["last"], headers=BEARER)
    assert {rel for _, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', last.headers["link"])} == {"prev", "first"}
    assert len(last.json) == 10
    assert {row["owner"]["login"] for row in last.json} == {"acme"}
    assert int(first.headers["x-ratelimit-remaining"]) == int(last.headers["x-ratelimit-remaining"]) + 1
    assert len(ask(GITHUB, {"per_page": 500}, headers=BEARER).json) == 70
    assert ask("/orgs/no-such-thing/repos", headers=BEARER).json["message"] == "Not Found"
    for login in ("a", "Acme", "a-b-9", "z" * 39):
        assert github_sandbox.login_of(github_sandbox.identity(login)) == login.lower()


def test_vendor(start: Any) -> None:
    ask = start(records=120).ask
    assert ask("/v1/data").json["error"]["code"] == "unauthorized"
    page = ask("/v1/data", headers=BEARER).json
    assert len(page["items"]) == 100
    rest = ask("/v1/data", {"cursor": page["next_cursor"]}, headers=BEARER).json
    assert (len(rest["items"]), rest["next_cursor"]) == (20, None)
    assert ask("/v1/data", {"cursor": "x"}, headers=BEARER).status == 400
    known = {**BEARER, "X-Request-ID": "r"}
    assert ask("/v1/resource", headers=BEARER).status == 400
    assert ask("/v1/resource", {"status": "lost"}, headers=known).status == 400
    some = ask("/v1/resource", {"status": "open", "include": "metadata"}, headers=known).json
    assert {row["status"] for row in some["data"]} == {"open"}
    assert some["meta"]["scanned"] == 100


@pytest.mark.parametrize(
    ("module", "name", "path", "status", "word"),
    [
        (hubspot_sandbox, "PER_TEN_SECONDS", HUBSPOT, 429, "RATE_LIMIT"),
        (stripe_sandbox, "PER_SECOND", STRIPE, 429, "rate_limit"),
        (github_sandbox, "PER_HOUR", GITHUB, 403, "API rate limit exceeded"),
        (vendor_sandbox, "PER_MINUTE", "/v1/data", 429, "rate_limited"),
    ],
)
def test_each_keeps_its_own_limit(
    module: Any, name: str, path: str, status: int, word: str, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, 0)
    refused = start(records=5).ask(path, headers=BEARER)
    assert refused.status == status
    assert word in refused.body.decode()


@pytest.mark.parametrize("path", [HUBSPOT, STRIPE, GITHUB, "/v1/data"])
def test_faults_speak_as_the_api_does(path: str, start: Any) -> None:
    run = start(records=5)
    run.sandbox.fault("status_500", path="/*")
    answer = run.ask(path, headers=BEARER)
    assert answer.status == 500
    assert answer.json.keys() & {"error", "correlationId", "documentation_url"}


def test_the_same_seed_gives_the_same_records(start: Any) -> None:
    for path in (HUBSPOT, STRIPE, GITHUB, "/v1/data"):
        first, same, other = (start(records=5, seed=seed).ask(path, headers=BEARER).body for seed in (1, 1, 2))
        assert first == same != other
