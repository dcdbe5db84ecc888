"""The built-in tvmaze pipeline: all shows, the best of them, and who plays in those."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import pipelines
from headrace.core.errors import RequestFailed
from headrace.pipelines.tvmaze_sandbox import exists, show
from headrace.testing.api import Api, Handler

LIMIT = b"rate_limit: {requests: 20, per_seconds: 10, concurrency: 5, max_retries: 5}"
Serve = Callable[[Handler], Api]


@pytest.fixture
def tvmaze(tmp_path: Path) -> Path:
    """What ships, but for the API's own limit: 20 requests in ten seconds would make every test wait for minutes."""
    text = pipelines.read("tvmaze")
    assert text.count(LIMIT) == 1
    path = tmp_path / "tvmaze.yml"
    path.write_bytes(text.replace(LIMIT, b"rate_limit: {requests_per_second: 1000, concurrency: 5, max_retries: 1}"))
    return path


def run(place: Any, url: str, pipeline: Any, **options: Any) -> Any:
    return place.run(pipeline, rewrite={"api.tvmaze.com": url}, **options)


def best(titles: int, *, language: str = "English", genre: str = "Action") -> list[int]:
    found = [show(1, number) for number in range(titles + 1) if exists(number)]
    wanted = [s for s in found if s["language"] == language and genre in s["genres"]]
    rated = sorted(wanted, key=lambda s: (s["rating"]["average"] is None, -(s["rating"]["average"] or 0), s["id"]))
    return [s["id"] for s in rated]


def test_every_show_the_best_of_them_and_their_casts(anywhere: Any, sandbox: Any, tvmaze: Path) -> None:
    result = run(anywhere, sandbox.url, tvmaze)
    tops = best(120)
    there = sum(map(exists, range(121)))
    rows = {table.lower(): count for table, count in result.rows.items()}
    assert (result.status, rows["all_shows"], rows["top_shows"]) == ("done", there, len(tops))
    assert [ident for (ident,) in anywhere.rows("SELECT id FROM Top_Shows")] == tops
    played = anywhere.rows("SELECT show_id, count(*) FROM Top_Shows_Cast GROUP BY show_id")
    assert {ident for ident, _ in played} <= set(tops)
    assert sum(count for _, count in played) == rows["top_shows_cast"] > 0
    again = run(anywhere, sandbox.url, tvmaze)
    assert again.status == "done"
    assert anywhere.rows("SELECT count(*) FROM Top_Shows_Cast") == [(rows["top_shows_cast"],)]


@pytest.mark.parametrize(
    ("params", "condition"),
    [
        ({"top": 2}, "1 = 1"),
        ({"language": "Japanese", "genre": "Drama"}, "language = 'Japanese' AND genres LIKE '%\"Drama\"%'"),
        ({"premiered_after": "2010-01-01"}, "premiered > '2010-01-01'"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_counts_as_top_can_be_asked_for(
    params: dict[str, Any], condition: str, place: Any, sandbox: Any, tvmaze: Path
) -> None:
    result = run(place, sandbox.url, tvmaze, params=params)
    assert result.status == "done"
    assert 0 < result.rows["Top_Shows"] == place.one(f"SELECT count(*) FROM Top_Shows WHERE {condition}")
    if "top" in params:
        assert [ident for (ident,) in place.rows("SELECT id FROM Top_Shows")] == best(120)[:2]


def test_as_it_ships_it_keeps_the_api_s_limit(place: Any, sandbox: Any) -> None:
    sandbox.fault("fixed_window", path="/*", params={"requests": 20, "seconds": 10})
    result = run(place, sandbox.url, "tvmaze", params={"top": 1})
    assert (result.status, result.retries, result.rows["Top_Shows"]) == ("done", 0, 1)


def test_one_refused_cast_loses_nothing(place: Any, sandbox: Any, tvmaze: Path) -> None:
    sandbox.fault("status_429_seconds", path="/shows/*/cast", nth=3)
    result = run(place, sandbox.url, tvmaze)
    assert (result.status, result.retries) == ("done", 1)
    struck = place.one("SELECT count(*) FROM Top_Shows_Cast")
    sandbox.clear_faults()
    assert run(place, sandbox.url, tvmaze).status == "done"
    assert place.one("SELECT count(*) FROM Top_Shows_Cast") == struck


def test_a_page_of_shows_that_keeps_failing_fails_the_run(place: Any, tvmaze: Path, serve: Serve) -> None:
    """And does not count as the end, as in most scripts."""
    pages = {"0": [show(1, 1)], "2": [show(1, 501)]}

    def answer(path: str, params: dict[str, str]) -> Any:
        if path != "/shows" or params["page"] not in (*pages, "1"):
            return None
        return (b"", 500, {}) if params["page"] == "1" else (json.dumps(pages[params["page"]]).encode(), 200, {})

    with pytest.raises(RequestFailed, match="500"):
        run(place, serve(answer).url, tvmaze)
    assert place.rows("SELECT id FROM All_Shows") == [(1,)]
    assert place.one("SELECT status FROM headrace_runs") == "failed"


def test_a_page_of_gaps_is_not_the_end(place: Any, tvmaze: Path, serve: Serve) -> None:
    pages: dict[str, list[Any]] = {"0": [show(1, 1)], "1": [], "2": [], "3": [show(1, 751)]}

    def answer(path: str, params: dict[str, str]) -> Any:
        if path != "/shows":
            return b"[]", 200, {}
        return (json.dumps(pages[params["page"]]).encode(), 200, {}) if params["page"] in pages else None

    result = run(place, serve(answer).url, tvmaze)
    assert (result.status, place.rows("SELECT id FROM All_Shows ORDER BY id")) == ("done", [(1,), (751,)])


def test_one_person_may_play_two_characters(anywhere: Any, tvmaze: Path, serve: Serve) -> None:
    top = show(1, 1) | {"language": "English", "genres": ["Action"]}
    ann, bob = ({"id": 7, "name": "Ann"}, {"id": 8, "name": "Bob"})
    cast = [(ann, {"id": 1, "name": "Good"}), (ann, {"id": 2, "name": "Evil"}), (bob, {"id": 2, "name": "Evil"})]
    played = [{"person": person, "character": character} for person, character in cast]

    def answer(path: str, params: dict[str, str]) -> Any:
        found = [top] if params.get("page") == "0" else played if path == "/shows/1/cast" else None
        return None if found is None else (json.dumps(found).encode(), 200, {})

    url = serve(answer).url
    for _ in range(2):
        assert run(anywhere, url, tvmaze).status == "done"
        names = anywhere.rows("SELECT person_name, character_name FROM Top_Shows_Cast ORDER BY 1, 2")
        assert names == [("Ann", "Evil"), ("Ann", "Good"), ("Bob", "Evil")]


def test_a_failed_cast_is_the_only_one_asked_again(place: Any, sandbox: Any, tvmaze: Path) -> None:
    missing = best(120)[1]
    sandbox.fault("status_500_forever", path=f"/shows/{missing}/cast", after=0)
    first = run(place, sandbox.url, tvmaze, run_id="casts")
    assert first.status == "failed"
    assert f"slice {missing}" in first.error
    sandbox.clear_faults()
    sandbox.reset()
    again = run(place, sandbox.url, tvmaze, run_id="casts")
    assert (again.status, again.requests) == ("done", 1)
    undisturbed = type(place)(place.folder, f"duckdb:///{place.folder}/whole.duckdb")
    run(undisturbed, sandbox.url, tvmaze)
    casts = "SELECT show_id, person_id, character_id, character_name FROM Top_Shows_Cast ORDER BY ALL"
    assert place.rows(casts) == undisturbed.rows(casts)


def test_the_one_file_is_whole(tmp_path: Path, sandbox: Any, tvmaze: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it lies in a log beside it: the seed's readers open tvshows.db alone."""
    import headrace

    monkeypatch.chdir(tmp_path)
    result = headrace.run(tvmaze, rewrite={"api.tvmaze.com": sandbox.url}, state=tmp_path / "state")
    assert result.status == "done"
    assert [path.name for path in tmp_path.glob("tvshows*")] == ["tvshows.db"]
