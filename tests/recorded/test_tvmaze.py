"""The built-in tvmaze pipeline over recorded pages of the real API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace import pipelines
from headrace.testing.api import Api, Handler

LIMIT = b"rate_limit: {requests: 20, per_seconds: 10, concurrency: 5, max_retries: 5}"
Serve = Callable[[Handler], Api]


def unthrottled(place: Any) -> Path:
    """What ships, but for the limit of the real API."""
    file: Path = place.folder / "tvmaze.yml"
    file.write_bytes(
        pipelines.read("tvmaze").replace(LIMIT, b"rate_limit: {requests_per_second: 1000, concurrency: 5}")
    )
    return file


def test_485_shows_110_of_them_top(recorded: Path, serve: Serve, place: Any) -> None:
    def answer(path: str, params: dict[str, str]) -> Any:
        if path == "/shows":
            file = recorded / f"tvmaze_shows_page{params['page']}.json"
            return (file.read_bytes(), 200, {}) if file.exists() else None
        return b"[]", 200, {}

    api = serve(answer)
    result = place.run(unthrottled(place), rewrite={"api.tvmaze.com": api.url})
    assert (result.status, result.rows["All_Shows"], result.rows["Top_Shows"]) == ("done", 485, 110)
    top = place.rows("SELECT id, rating_average FROM Top_Shows")
    rated = [rating for _, rating in top if rating is not None]
    assert rated == sorted(rated, reverse=True)
    assert all(rating is None for _, rating in top[len(rated) :])

    pages = [json.loads((recorded / f"tvmaze_shows_page{n}.json").read_bytes()) for n in (0, 1)]
    english_action = {s["id"] for page in pages for s in page if s["language"] == "English" and "Action" in s["genres"]}
    assert {ident for ident, _ in top} == english_action


def test_the_recorded_casts_are_exact(recorded: Path, serve: Serve, place: Any) -> None:
    casts = json.loads((recorded / "tvmaze_cast_by_show.json").read_bytes())
    pages = {n: json.loads((recorded / f"tvmaze_shows_page{n}.json").read_bytes()) for n in (0, 1)}
    # Two of the three casts are of shows whose page was not recorded: of those, only what the pipeline asks of a show.
    pages |= {
        n // 250: [{"id": n, "name": f"Show {n}", "language": "English", "genres": ["Comedy"]}] for n in (526, 1058)
    }

    def answer(path: str, params: dict[str, str]) -> Any:
        if path == "/shows":
            page = int(params["page"])
            return (json.dumps(pages.get(page, [])).encode(), 200, {}) if page <= max(pages) else None
        return json.dumps(casts.get(path.split("/")[2], [])).encode(), 200, {}

    result = place.run(unthrottled(place), rewrite={"api.tvmaze.com": serve(answer).url}, params={"genre": "Comedy"})
    assert result.status == "done"
    named = {show["id"]: show["name"] for page in pages.values() for show in page}
    sent = [
        (int(ident), named[int(ident)], part["person"]["id"], part["person"]["name"], part["character"]["id"],
         part["character"]["name"])
        for ident, cast in casts.items()
        for part in cast
    ]  # fmt: skip
    stored = place.rows(
        "SELECT show_id, show_name, person_id, person_name, character_id, character_name FROM Top_Shows_Cast"
    )
    assert sorted(stored) == sorted(sent)
    assert len(stored) == result.rows["Top_Shows_Cast"] == 45
