"""Pipelines over real answers give the counts and values that are in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Serve = Callable[[Callable[[str, dict[str, str]], Any]], Any]


def test_streaming_availability(recorded: Path, serve: Serve, place: Any) -> None:
    """20 titles with 40 offers under 39 keys: the variant that shares its key is kept besides."""
    page = (recorded / "sapi_filters_page.json").read_bytes()

    def answer(path: str, params: dict[str, str]) -> Any:
        if path != "/shows/search/filters" or params.get("country") != "in":
            return None
        if "cursor" not in params:
            return page, 200, {}
        good = params["cursor"] == json.loads(page)["nextCursor"]
        return (b'{"shows":[],"hasMore":false}', 200, {}) if good else (b"{}", 400, {})

    api = serve(answer)
    rewrite = {"streaming-availability.p.rapidapi.com": api.url}
    result = place.run("sapi", params={"country": "in"}, rewrite=rewrite, secrets={"SAPI": "test-key"}, run_id="r1")
    assert (result.status, result.pages, result.requests) == ("done", 2, 2)
    counts = {table: place.rows(f"SELECT count(*) FROM {table}")[0][0] for table in result.rows}
    assert counts == {
        "sapi_titles": 20, "sapi_offers": 39, "sapi_assets": 67, "sapi_offer_variants": 40, "sapi_offers_history": 39,
    }  # fmt: skip
    assert place.raw("sapi_raw_pages")[0] == page
    shows = json.loads(page)["shows"]
    offers = [(s["id"], o) for s in shows for o in s["streamingOptions"]["in"]]
    assert place.rows("SELECT sapi_id, title_page_link FROM sapi_offer_variants ORDER BY 1, 2") == sorted(
        (ident, offer["link"]) for ident, offer in offers
    )
    missing = "SELECT sum((quality = '')::int), sum((watch_link IS NULL)::int), sum((price = '')::int) FROM sapi_offer_variants"
    assert place.rows(missing) == [(2, 20, 25)]
    assert place.rows("SELECT DISTINCT country FROM sapi_offers") == [("IN",)]
    assert place.rows("SELECT original_title, release_year, tmdb_id FROM sapi_titles WHERE sapi_id = '9096'") == [
        (shows[0]["originalTitle"], 2020, "movie/614696")
    ]


def test_tvmaze(recorded: Path, serve: Serve, place: Any) -> None:
    """Pages from 0 with gaps, 404 is the end; then the casts of the shows that were recorded."""
    casts = json.loads((recorded / "tvmaze_cast_by_show.json").read_bytes())
    for ident in ("0", "1"):
        assert (recorded / f"tvmaze_shows_page{ident}.json").exists()

    def answer(path: str, params: dict[str, str]) -> Any:
        if path == "/shows":
            file = recorded / f"tvmaze_shows_page{params['page']}.json"
            return (file.read_bytes(), 200, {}) if file.exists() else None
        cast = casts.get(path.split("/")[2])
        return (json.dumps(cast).encode(), 200, {}) if cast is not None else None

    api = serve(answer)
    file = place.steps(
        shows={
            "url": f"{api.url}/shows", "data_path": "", "end_on": [404],
            "pagination": {"type": "page", "param": "page", "start": 0},
            "tables": [{
                "table": "All_Shows", "key": ["id"],
                "columns": {
                    "id": "id", "name": "name", "language": "language", "network": "network.name",
                    "genres": {"path": "genres", "type": "json"}, "rating": "rating.average", "updated": "updated",
                },
            }],
        },
        casts={
            "url": f"{api.url}/shows/{{slice.id}}/cast", "data_path": "",
            "slices": {"rows": "SELECT id FROM All_Shows WHERE id IN (143)", "concurrency": 2},
            "tables": [{
                "table": "casts", "key": ["show_id", "person_id", "character_id"],
                "columns": {
                    "show_id": {"value": "{slice.id}", "type": "int"}, "person_id": "person.id",
                    "character_id": "character.id", "person": "person.name", "role": "character.name",
                },
            }],
        },
    )  # fmt: skip
    result = place.run(file)
    assert result.status == "done"
    assert [step.pages for step in result.steps] == [2, 1]
    assert api.asked == ["/shows?page=0", "/shows?page=1", "/shows?page=2", "/shows/143/cast"]
    assert place.rows("SELECT count(*), min(id), max(id) FROM All_Shows") == [(485, 1, 499)]
    nulls = "SELECT sum((network IS NULL)::int), sum((rating IS NULL)::int) FROM All_Shows"
    assert place.rows(nulls) == [(19, 27)]
    top = "SELECT count(*) FROM All_Shows WHERE language = 'English' AND list_contains(genres::VARCHAR[], 'Action')"
    assert place.rows(top) == [(110,)]
    assert place.rows("SELECT name, rating FROM All_Shows WHERE id = 1") == [("Under the Dome", 6.5)]
    assert place.rows("SELECT count(*), count(DISTINCT person_id) FROM casts") == [(13, 13)]
    assert place.rows("SELECT role FROM casts WHERE person = 'Zach Woods'") == [("Jared Dunn",)]


def test_tvmaze_casts_side_by_side(recorded: Path, serve: Serve, place: Any) -> None:
    casts = json.loads((recorded / "tvmaze_cast_by_show.json").read_bytes())
    api = serve(lambda path, params: (json.dumps(casts[path.split("/")[2]]).encode(), 200, {}))
    file = place.steps(
        casts={
            "url": f"{api.url}/shows/{{slice.id}}/cast", "data_path": "",
            "slices": {"each": {"id": [143, 1058, 526]}},
            "transform": {"flatten": True, "add_fields": {"show_id": "{slice.id}"}},
            "destination": {"table": "casts"},
        },
    )  # fmt: skip
    assert place.run(file).status == "done"
    found = place.rows("SELECT show_id, count(*) FROM casts GROUP BY 1 ORDER BY 2")
    assert [(str(show), rows) for show, rows in found] == [("1058", 7), ("143", 13), ("526", 25)]


def test_github_issues(recorded: Path, serve: Serve, place: Any) -> None:
    """13 issues over five pages that Link headers chain, to a path by id."""
    where: list[str] = []

    def answer(path: str, params: dict[str, str]) -> Any:
        number = int(params.get("page", "1"))
        if path != ("/repos/o/r/issues" if number == 1 else "/repositories/77/issues") or number > 5:
            return None
        links = [f'<{where[0]}/repositories/77/issues?per_page=3&page=5>; rel="last"']
        if number < 5:
            links.insert(0, f'<{where[0]}/repositories/77/issues?per_page=3&page={number + 1}>; rel="next"')
        body = (recorded / f"github_issues_page{number}.json").read_bytes()
        return body, 200, {"Link": ", ".join(links), "Content-Type": "application/json; charset=utf-8"}

    api = serve(answer)
    where.append(api.url)
    file = place.steps(
        issues={
            "url": f"{api.url}/repos/o/r/issues", "data_path": "",
            "pagination": {"type": "link", "limit": 3, "limit_param": "per_page"},
            "transform": {"flatten": True},
            "destination": {"table": "issues", "key_fields": ["id"]},
        },
    )  # fmt: skip
    result = place.run(file)
    assert (result.status, result.pages, result.requests) == ("done", 5, 5)
    assert place.rows("SELECT number FROM issues ORDER BY number DESC") == [(n,) for n in range(13, 0, -1)]
    first = "SELECT title, json_extract_string(\"user\", '$.login') FROM issues WHERE number = 13"
    assert place.rows(first) == [("Test issue 13", "octokit-fixture-user-a")]
    assert place.raw("issues_raw_pages") == [
        (recorded / f"github_issues_page{n}.json").read_bytes() for n in range(1, 6)
    ]


def test_allocine_movies(recorded: Path, serve: Serve, place: Any) -> None:
    """Durations become minutes, lists rows; the token in the query is kept nowhere."""
    movies = json.loads((recorded / "allocine_movies.json").read_bytes())

    def answer(path: str, params: dict[str, str]) -> Any:
        if params.get("token") != "a-test-token":
            return b"{}", 401, {}
        start = int(params.get("after", "0"))
        info = {"hasNextPage": start + 2 < len(movies), "endCursor": str(start + 2)}
        edges = [{"node": movie} for movie in movies[start : start + 2]]
        body = {"movieList": {"totalCount": len(movies), "pageInfo": info, "edges": edges}}
        return json.dumps(body).encode(), 200, {}

    api = serve(answer)
    file = place.steps(
        movies={
            "url": f"{api.url}/api/query/movieList", "params": {"first": 100},
            "auth": {"type": "query", "param_name": "token", "provider": "ALLOCINE"},
            "pagination": {
                "type": "cursor", "param": "after", "response_path": "movieList.pageInfo.endCursor",
                "more_path": "movieList.pageInfo.hasNextPage", "total_path": "movieList.totalCount",
            },
            "data_path": "movieList.edges.*.node",
            "tables": [
                {
                    "table": "movies", "key": ["id"],
                    "columns": {
                        "id": "id", "internal_id": "internalId", "title": {"path": "title", "apply": ["unescape_html"]},
                        "minutes": {"path": "runtime", "apply": ["iso_duration_minutes"]},
                        "year": "data.productionYear",
                    },
                },
                {
                    "table": "companies", "each": "companies.*", "write": "append",
                    "columns": {"movie": "^.internalId", "raw": {"path": "", "type": "json"}},
                },
            ],
        },
    )  # fmt: skip
    result = place.run(file, secrets={"ALLOCINE": "a-test-token"})
    assert (result.status, result.pages) == ("done", 3)
    assert place.rows("SELECT internal_id, title, minutes FROM movies ORDER BY internal_id") == [
        (2161, "Les 39 marches", 81),
        (4076, "Le Roman d'un tricheur", 80),
        (41324, "The Front page", 101),
        (131136, "Ceux de chez nous", 21),
        (288401, "Les Trois Mousquetaires: Milady", 115),
    ]
    found = place.rows("SELECT movie, count(*) FROM companies GROUP BY 1 ORDER BY 1")
    assert found == [(2161, 3), (4076, 3), (41324, 4), (131136, 2), (288401, 7)]  # exact duplicates stay
    assert "a-test-token" not in repr(place.rows("SELECT url, headers FROM movies_raw_pages"))
    for path in place.folder.rglob("*"):
        assert not path.is_file() or b"a-test-token" not in path.read_bytes(), path
