"""The same questions to PostgreSQL: where a row is from, what is on offer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import headrace
from headrace.destinations import from_url
from headrace.inspect.titles import offers, table
from headrace.inspect.why import why
from headrace.sandbox import Options, run_in_thread

HOST = "streaming-availability.p.rapidapi.com"


def test_why_and_titles(postgres_url: str, tmp_path: Path) -> None:
    with run_in_thread(Options(titles=45, signatures="fixed")) as server:
        result = headrace.run(
            "sapi", destination=postgres_url, run_id="one", secrets={"SAPI": "test-key"}, rewrite={HOST: server.url},
            state=tmp_path / "state",
        )  # fmt: skip
    assert result.status == "done"
    title = table(postgres_url, "sapi_titles", order_by=["sapi_id"], limit=1)[0]
    target = from_url(postgres_url)
    with target.open(read_only=True) as session:
        found = why(session, target, "sapi_titles", [title["sapi_id"]])
        assert json.loads(found.bytes)["id"] == title["sapi_id"]
        assert found.page.run_id == "one"
        offer = next(row for row in table(postgres_url, "sapi_offers", limit=1))
        key = [f"{name}={offer[name]}" for name in ("sapi_id", "country", "service_id", "offer_type")]
        assert json.loads(why(session, target, "sapi_offers", key).bytes)["id"] == offer["sapi_id"]
    now = offers(postgres_url, offer["sapi_id"])
    assert (offer["country"], offer["service_id"]) in {(each.country, each.service_id) for each in now}
    assert offers(postgres_url, offer["sapi_id"], country="zz") == []
    then = offers(postgres_url, offer["sapi_id"], at=datetime.now(UTC))
    assert {(o.country, o.service_id, o.offer_type) for o in then} == {
        (o.country, o.service_id, o.offer_type) for o in now
    }
    assert offers(postgres_url, offer["sapi_id"], at="2020-01-01") == []
