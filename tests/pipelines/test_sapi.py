"""The built-in sapi pipeline from its stand-in to tables, in every destination."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import pipelines
from headrace.core.clock import SystemClock
from headrace.core.errors import ArchiveMissing, RunRefused
from headrace.destinations import from_url
from headrace.sandbox import Options, run_in_thread

DAY = 86_400_000_000
TABLES = ("sapi_titles", "sapi_offers", "sapi_assets", "sapi_offer_variants", "sapi_offers_history")
COLUMNS = {
    "sapi_titles": "sapi_id imdb_id tmdb_id title original_title show_type release_year fetched_at last_seen_run_id",
    "sapi_offers": (
        "sapi_id country service_id service_name offer_type quality title_page_link watch_link audios subtitles "
        "available_since expires_soon expires_on fetched_at last_seen_run_id"
    ),
    "sapi_assets": "sapi_id asset_kind image_urls fetched_at last_seen_run_id",
}
OFFERS_OF_A_TITLE = """
SELECT
  t.title,
  o.service_id,
  o.offer_type,
  o.watch_link,
  o.quality,
  o.expires_on
FROM sapi_titles t
JOIN sapi_offers o ON t.sapi_id = o.sapi_id
WHERE t.title = '{title}'
  AND o.country = 'US'
  AND o.last_seen_run_id = '{run}'  -- latest run
ORDER BY o.service_id;
"""
ASSETS_OF_A_TITLE = """
SELECT
  asset_kind,
  image_urls
FROM sapi_assets
WHERE sapi_id = '{id}'
  AND last_seen_run_id = '{run}';
"""


class Later(SystemClock):
    """The machine's clock, some days on."""

    def __init__(self, days: int) -> None:
        self.days = days

    def now(self) -> int:
        return super().now() + self.days * DAY


def shows_of(pages: list[Any]) -> dict[str, Any]:
    """Each show as it was seen last."""
    return {show["id"]: show for page in pages for show in json.loads(page.body)["shows"]}


def offers_of(show: Any) -> list[tuple[str, Any]]:
    return [(country.upper(), offer) for country, offers in show["streamingOptions"].items() for offer in offers]


def test_a_country_lands_whole(anywhere: Any, sandbox: Any) -> None:
    result = anywhere.sapi(sandbox, run_id="run-abc-123")
    assert (result.status, result.pages, result.requests) == ("done", 6, 6)
    asked = sandbox.stats()
    assert asked["by_path"] == {"/shows/search/filters": 6}
    assert asked["repeated"] == 0

    pages = anywhere.raw("sapi_raw_pages", "run-abc-123")
    assert [page.page_number for page in pages] == [1, 2, 3, 4, 5, 6]
    for page in pages:  # byte for byte what the API answers to that URL
        url = page.url.replace("https://streaming-availability.p.rapidapi.com", sandbox.url)
        headers = {"X-RapidAPI-Key": "test-key", "X-RapidAPI-Host": "h"}
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            assert answer.read() == page.body
    blobs = anywhere.rows(
        "SELECT run_id, page_number, response_blob, fetched_at FROM sapi_raw_pages ORDER BY page_number"
    )
    assert [bytes(blob) if not isinstance(blob, str) else blob.encode() for _, _, blob, _ in blobs] == [
        p.body for p in pages
    ]
    assert all(run == "run-abc-123" and fetched for run, _, _, fetched in blobs)

    shows = shows_of(pages)
    keys = {(i, c, o["service"]["id"], o["type"]) for i, show in shows.items() for c, o in offers_of(show)}
    kinds = {(i, kind) for i, show in shows.items() for kind in show["imageSet"]}
    variants = sum(len(offers_of(show)) for show in shows.values())
    assert {(i,) for i in shows} == set(anywhere.rows("SELECT sapi_id FROM sapi_titles"))
    assert anywhere.one("SELECT count(*) FROM sapi_titles") == len(shows)
    found = anywhere.rows("SELECT sapi_id, country, service_id, offer_type FROM sapi_offers")
    assert Counter(found) == Counter(keys)
    assert Counter(anywhere.rows("SELECT sapi_id, asset_kind FROM sapi_assets")) == Counter(kinds)
    assert anywhere.one("SELECT count(*) FROM sapi_offer_variants") == variants > len(keys)
    assert anywhere.one("SELECT count(*) FROM sapi_offers_history") == len(keys)
    for table, columns in COLUMNS.items():
        assert list(anywhere.columns(table)) == columns.split()
    for table in TABLES:
        assert anywhere.one(f"SELECT count(*) FROM {table}_rejected") == 0


def best_offers(show: Any) -> dict[tuple[str, str, str], Any]:
    """By country, service and type: the best quality first, then one with a link to watch, then the newest."""
    ranks = ["uhd", "qhd", "hd", "sd"]
    best: dict[tuple[str, str, str], Any] = {}
    for country, offer in offers_of(show):
        at = (country, offer["service"]["id"], offer["type"])
        quality = ranks.index(offer["quality"]) if offer.get("quality") else 9
        order = (quality, not offer.get("videoLink"), -offer["availableSince"])
        if at not in best or order < best[at][0]:
            best[at] = (order, offer)
    return {at: offer for at, (_, offer) in best.items()}


def test_the_queries_of_the_seed_run_as_they_stand(anywhere: Any, sandbox: Any) -> None:
    anywhere.sapi(sandbox, run_id="run-abc-123")
    shows = shows_of(anywhere.raw("sapi_raw_pages", "run-abc-123"))
    ident, show = next((i, s) for i, s in shows.items() if len(offers_of(s)) > 2 and "'" not in s["title"])
    expected = Counter(
        (show["title"], service, kind, o.get("videoLink"), o.get("quality"), o.get("expiresOn"))
        for (_, service, kind), o in best_offers(show).items()
    )
    sql = OFFERS_OF_A_TITLE.format(title=show["title"], run="run-abc-123")
    assert Counter(anywhere.rows(sql)) == expected
    assets = anywhere.rows(ASSETS_OF_A_TITLE.format(id=ident, run="run-abc-123"))
    assert {kind: json.loads(urls) if isinstance(urls, str) else urls for kind, urls in assets} == show["imageSet"]


def test_of_several_offers_of_one_key_the_best_is_kept(anywhere: Any, sandbox: Any) -> None:
    anywhere.sapi(sandbox, run_id="r")
    shows = shows_of(anywhere.raw("sapi_raw_pages", "r"))
    offered = {
        (i, c, o["service"]["id"], o["type"], o.get("quality")) for i, s in shows.items() for c, o in offers_of(s)
    }
    assert len(offered) > len({row[:4] for row in offered}), "some keys come in several qualities"
    expected = {(i, *at): o for i, show in shows.items() for at, o in best_offers(show).items()}
    columns = "sapi_id, country, service_id, offer_type, quality, watch_link, available_since"
    for table in ("sapi_offers", "sapi_offers_history"):
        found = anywhere.rows(f"SELECT {columns} FROM {table}")
        assert Counter(found) == Counter(
            (*at, o.get("quality"), o.get("videoLink"), o["availableSince"]) for at, o in expected.items()
        )


def test_the_scope_has_a_fingerprint_whatever_the_order_of_the_bundle(place: Any, sandbox: Any) -> None:
    scopes = []
    for catalogs in (["netflix", "prime"], ["prime", "netflix"], ["netflix"]):
        place.sapi(sandbox, run_id=f"r{len(scopes)}", params={"catalogs": catalogs, "genre": "drama"})
        scopes.append(place.one("SELECT scope FROM headrace_runs WHERE run_id = ?", f"r{len(scopes)}"))
    assert scopes[0] == scopes[1] != scopes[2]
    given = place.sapi(sandbox, run_id="named", scope="v1:genre=18", max_pages=1)
    assert place.one("SELECT scope FROM headrace_runs WHERE run_id = ?", given.run_id) == "v1:genre=18"


def test_max_pages_pauses_and_the_same_id_goes_on(anywhere: Any, sandbox: Any) -> None:
    first = anywhere.sapi(sandbox, run_id="paused", max_pages=2)
    assert (first.status, first.exit_code, first.pages) == ("partial", 3, 2)
    assert anywhere.one("SELECT status FROM headrace_runs") == "partial"
    with pytest.raises(RunRefused, match=r"country was 'us' and is 'de'"):
        anywhere.sapi(sandbox, run_id="paused", params={"country": "de"})
    assert sandbox.stats()["requests"] == 2
    second = anywhere.sapi(sandbox, run_id="paused", max_pages=3)
    third = anywhere.sapi(sandbox, run_id="paused")
    assert (second.status, second.pages, third.status, third.pages) == ("partial", 3, "done", 1)
    again = anywhere.sapi(sandbox, run_id="paused")
    assert (again.status, again.requests) == ("done", 0)
    asked = sandbox.stats()
    assert (asked["requests"], asked["repeated"]) == (6, 0)
    assert anywhere.one("SELECT count(*) FROM sapi_raw_pages") == 6
    assert headrace.resume("paused", destination=anywhere.url, state=anywhere.state).requests == 0


def test_an_offer_that_is_gone_is_found_and_nothing_is_deleted(anywhere: Any, sandbox: Any) -> None:
    with run_in_thread(Options(titles=112, signatures="fixed")) as smaller:
        anywhere.sapi(sandbox, run_id="r1", clock=Later(0))
        anywhere.sapi(sandbox, run_id="r1-de", params={"country": "de"}, clock=Later(0))  # another scope
        before = set(anywhere.rows("SELECT sapi_id, country, service_id, offer_type FROM sapi_offers"))
        us_before = {row for row in before if row[1] == "US"}
        second = anywhere.sapi(smaller, run_id="r2", clock=Later(1))
    assert second.status == "done"
    key = "sapi_id, country, service_id, offer_type"
    latest = set(anywhere.rows(f"SELECT {key} FROM sapi_offers WHERE last_seen_run_id = 'r2'"))
    gone = us_before - latest
    assert gone
    assert set(anywhere.rows(f"SELECT {key} FROM sapi_offers")) == before  # nothing was deleted
    assert set(anywhere.rows(f"SELECT {key} FROM sapi_offers_removed")) == gone
    assert set(anywhere.rows(f"SELECT {key} FROM sapi_offers_current")) == before - gone  # Germany untouched
    assert set(anywhere.rows(f"SELECT {key} FROM sapi_offers WHERE last_seen_run_id = 'r1'")) == gone

    noon = time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime(time.time() + 43_200))
    if anywhere.url.startswith("sqlite"):
        noon = noon.replace(" ", "T")
    history = f"SELECT {key} FROM sapi_offers_history WHERE country = 'US' AND valid_from <= '{noon}'"
    yesterday = set(anywhere.rows(f"{history} AND (valid_to IS NULL OR valid_to > '{noon}')"))
    assert yesterday == us_before
    now = set(anywhere.rows(f"SELECT {key} FROM sapi_offers_history WHERE country = 'US' AND valid_to IS NULL"))
    assert now == latest

    with from_url(anywhere.url).open() as session:
        assert session.purge(table="sapi_offers", removed=True) == len(gone)
    assert set(anywhere.rows(f"SELECT {key} FROM sapi_offers")) == before - gone


def changed_pipeline(folder: Path) -> Path:
    """The built-in with a column more."""
    text = pipelines.read("sapi").decode()
    more = text.replace(
        "            title: {path: title, type: string}\n",
        "            title: {path: title, type: string}\n            overview: {path: overview, type: string}\n",
    )
    assert more != text
    path = folder / "sapi.yml"
    path.write_text(more)
    return path


def test_replay_rebuilds_from_the_archive_without_a_request(anywhere: Any) -> None:
    with run_in_thread(Options(titles=60, signatures="fixed")) as first:
        anywhere.sapi(first, run_id="r1", clock=Later(0))
    with run_in_thread(Options(titles=57, signatures="fixed")) as second:
        anywhere.sapi(second, run_id="r2", clock=Later(1))
    kept = {
        name: Counter(map(repr, anywhere.rows(f"SELECT * FROM {name}")))
        for name in ("sapi_offers", "sapi_offers_removed", "sapi_assets", "sapi_offer_variants")
    }
    states = "SELECT sapi_id, country, service_id, offer_type, valid_from, last_seen_run_id FROM sapi_offers_history"
    history = Counter(map(repr, anywhere.rows(states)))
    assert kept["sapi_offers_removed"]

    result = headrace.replay("sapi", pipeline_file=changed_pipeline(anywhere.folder), destination=anywhere.url)
    assert result.requests == 0
    assert list(result.runs) == ["r1", "r2"]
    shows = shows_of(anywhere.raw("sapi_raw_pages", "r1")) | shows_of(anywhere.raw("sapi_raw_pages", "r2"))
    found = dict(anywhere.rows("SELECT sapi_id, overview FROM sapi_titles"))
    assert found == {ident: show.get("overview") for ident, show in shows.items()}
    assert any(found.values())
    for name, rows in kept.items():
        assert Counter(map(repr, anywhere.rows(f"SELECT * FROM {name}"))) == rows, name
    assert Counter(map(repr, anywhere.rows(states))) == history

    with from_url(anywhere.url).open() as session:
        assert session.purge(table="sapi_raw_pages", run_id="r1") == 3
    with pytest.raises(ArchiveMissing):
        headrace.replay("sapi", pipeline_file=changed_pipeline(anywhere.folder), destination=anywhere.url)
    assert dict(anywhere.rows("SELECT sapi_id, overview FROM sapi_titles")) == found
