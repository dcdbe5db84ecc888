"""A run stays within what it is trusted with, from its first request to its resumption."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headrace.core.errors import ErrorInAnswer, InputError, NotAllowed, SecretMissing
from headrace.core.trust import Trust
from headrace.destinations import from_url
from headrace.runner.api import Settings, drive, prepare, stored_job, stored_run
from headrace.state.store import StateStore

TRUST = Trust(allowed_hosts=(), allowed_env=frozenset(), allowed_folders=(), allow_sql=False, own_destination=False)


def started(place: Any, file: Any, trust: Trust, run_id: str = "r", **params: Any) -> Any:
    prepared = prepare(file, run_id=run_id, destination=place.url, params=params, trust=trust)
    with StateStore.open(place.state) as store:
        return drive(prepared.job, prepared.destination, store, Settings(state=place.state, trust=trust))


def test_a_url_made_of_an_input_does_not_lead_inside(place, api) -> None:
    trust = replace(TRUST, allowed_folders=(place.folder,))
    file = place.file({"base_url": "{where}", "url": "/items", "destination": {"table": "a"}})
    with pytest.raises(NotAllowed, match="not a public address"):
        started(place, file, trust, where=api.url)
    assert api.asked == []
    api.answer = lambda path, query: {"data": [{"id": 1}]}
    named = replace(trust, allowed_hosts=(api.url,))
    assert started(place, file, named, where=api.url).status == "done"
    assert len(api.asked) == 1


def test_a_resumed_run_is_held_to_it_too(place, api) -> None:
    api.answer = lambda path, query: {"data": [{"id": 1}]}
    file = place.file(
        {"url": "/items", "destination": {"table": "a"}},
        {"url": "/each", "slices": {"rows": "SELECT 1 AS id"}, "destination": {"table": "b"}},
    )
    assert place.run(file, run_id="r").status == "done"
    record = stored_run("r", from_url(place.url))
    with pytest.raises(NotAllowed, match="SQL") as caught:
        stored_job(record, TRUST)
    assert "allow_sql" in caught.value.hint
    assert "b" in caught.value.place
    assert stored_job(record).run_id == "r"


def test_credentials_do_not_come_from_the_environment(place, api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "of-the-machine")
    file = place.file({"url": "/items", "auth": {"type": "bearer", "provider": "ACME"}, "destination": {"table": "a"}})
    trust = Trust(allowed_hosts=(api.url,), allowed_env=frozenset({"ACME_API_KEY"}))
    with pytest.raises(SecretMissing):
        started(place, file, trust)
    assert api.asked == []


def test_an_input_cannot_add_a_header(place, api) -> None:
    file = place.file({"url": "/items", "headers": {"X-Name": "{name}"}, "destination": {"table": "a"}})
    for bad in ("a\r\nX-Admin: 1", "a\nb", "a\0b"):
        with pytest.raises(InputError, match="X-Name holds a line break or NUL"):
            started(place, file, Trust(), run_id=f"r{len(bad)}{ord(bad[1])}", name=bad)
    assert api.asked == []


def test_an_answer_that_says_it_is_not_ok_is_no_empty_page(place: Any, api: Any) -> None:
    api.answer = lambda path, query: {"ok": False, "data": []}
    file = place.file({"url": "/items", "ok_path": "ok", "tables": [{"table": "t", "columns": {"id": "id"}}]})
    with pytest.raises(ErrorInAnswer, match="the answer says ok: false"):
        place.run(file)
