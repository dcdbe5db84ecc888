"""The sapi stand-in, determinism, the statistics, HTTP itself and the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from headrace.sandbox import catalogue
from headrace.sandbox.__main__ import main

KEY = {"X-RapidAPI-Key": "key-1", "X-RapidAPI-Host": "sandbox.example"}
FILTERS = "/shows/search/filters?country=us&catalogs=netflix,prime,disney"


def crawl(ask: Any, target: str = FILTERS) -> list[dict[str, Any]]:
    """Every page of a query."""
    pages = [ask(target, headers=KEY).json]
    while pages[-1]["hasMore"]:
        pages.append(ask(f"{target}&cursor={quote(pages[-1]['nextCursor'], safe='')}", headers=KEY).json)
    return pages


def shows(pages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [show for page in pages for show in page["shows"]]


def test_sapi_gives_every_position_once(start: Any) -> None:
    run = start(titles=330)
    pages = crawl(run.ask)
    assert [len(page["shows"]) for page in pages] == [20] * 16 + [10]
    assert all(page["nextCursor"] for page in pages[:-1])
    assert "nextCursor" not in pages[-1]
    ids = [show["id"] for show in shows(pages)]
    assert len(set(ids)) == catalogue.distinct(330) == 319
    assert run.stats["refetched"] == run.stats["repeated"] == 0
    assert run.stats["requests"] == 17


def test_sapi_has_what_real_answers_have(start: Any) -> None:
    found = {show["id"]: show for show in shows(crawl(start(titles=600).ask))}.values()
    offers = [offer for show in found for offer in show["streamingOptions"]["us"]]
    assert {show["showType"] for show in found} == {"movie", "series"}
    for show in found:
        movie = show["showType"] == "movie"
        assert ("releaseYear" in show, "firstAirYear" in show) == (movie, not movie)
        assert show["tmdbId"].startswith("movie/" if movie else "tv/")
        assert show["id"].isdecimal()
        assert list(show["streamingOptions"]) == ["us"]
    assert {offer["type"] for offer in offers} == {"subscription", "rent", "buy", "free", "addon"}
    keys = Counter(
        (show["id"], offer["service"]["id"], offer["type"])
        for show in found
        for offer in show["streamingOptions"]["us"]
    )
    assert len(keys) < 0.85 * len(offers), "several variants share the seed's key"
    for member in ("quality", "videoLink", "price", "expiresOn", "addon"):
        assert 0 < sum(member in offer for offer in offers) < len(offers), member
    assert all(isinstance(offer["price"]["amount"], str) for offer in offers if "price" in offer)
    assert all(("price" in offer) == (offer["type"] in ("rent", "buy")) for offer in offers)
    titles = "".join(show["title"] for show in found)
    assert all(odd in titles for odd in ('"', "'", "&amp;", "&#039;", "東", "%", "#", "?", "🚲"))


def test_what_a_crawl_has_to_give_can_be_counted_beforehand(start: Any) -> None:
    found = {show["id"]: show for show in shows(crawl(start(titles=150).ask))}.values()
    pairs = [(show["id"], offer) for show in found for offer in show["streamingOptions"]["us"]]
    assert catalogue.expected(1, "us", 150) == {
        "shows": len(found),
        "offers": len({(identity, offer["service"]["id"], offer["type"]) for identity, offer in pairs}),
        "variants": len(pairs),
        "assets": sum(len(show["imageSet"]) for show in found),
    }


def test_every_variant_differs_in_the_key_of_its_table(start: Any) -> None:
    for show in shows(crawl(start(titles=600).ask)):
        variants = [
            (
                offer["service"]["id"], offer["type"], offer.get("addon", {}).get("id", ""), offer.get("quality", ""),
                offer.get("price", {}).get("formatted", ""), offer["link"],
            )
            for offer in show["streamingOptions"]["us"]
        ]  # fmt: skip
        assert len(set(variants)) == len(variants)


def test_signatures_change_in_every_answer_unless_fixed(start: Any) -> None:
    changing, fixed = start(titles=40), start(titles=40, signatures="fixed")
    assert changing.ask(FILTERS, headers=KEY).body != changing.ask(FILTERS, headers=KEY).body
    assert fixed.ask(FILTERS, headers=KEY).body == fixed.ask(FILTERS, headers=KEY).body
    one, two = (start(titles=40).ask(FILTERS, headers=KEY).body for _ in range(2))
    assert one == two, "the n-th answer to a request is the same in every server"
    assert b"@@" not in one


def test_the_seed_and_the_sizes_decide_the_bytes(start: Any) -> None:
    last = "/styles/cursor-query?records=90000&limit=40"

    def bodies(**options: Any) -> list[bytes]:
        ask = start(titles=200, signatures="fixed", **options).ask
        return [ask(FILTERS, headers=KEY).body, ask(last).body, ask("/styles/xml").body, ask("/shows?page=0").body]

    one, again, other = bodies(), bodies(), bodies(seed=2)
    assert one == again
    assert all(a != b for a, b in zip(one, other, strict=True))


def test_a_far_page_costs_as_little_as_the_first(start: Any) -> None:
    ask = start(titles=50_000_000, records=50_000_000, cache_bytes=1_000_000).ask
    ask(FILTERS, headers=KEY)
    tracemalloc.start()
    try:
        place = 49_999_980
        cursor = f"{place}:{catalogue.title_of(1, catalogue.show_at(place - 1))}"
        page = ask(f"{FILTERS}&cursor={quote(cursor, safe='')}", headers=KEY).json
        assert (len(page["shows"]), page["hasMore"]) == (20, False)
        assert ask("/styles/offset-total?offset=49999990").json["items"][-1]["id"] == 50_000_000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_filters_narrow_the_list(start: Any) -> None:
    ask = start(titles=400).ask
    everything = shows(crawl(ask))
    for query, keep in (
        ("&show_type=movie", lambda s: s["showType"] == "movie"),
        ("&genres=drama", lambda s: any(g["id"] == "drama" for g in s["genres"])),
    ):
        found = shows(crawl(ask, FILTERS + query))
        assert [s["id"] for s in found] == [s["id"] for s in everything if keep(s)]
        assert 0 < len(found) < 400
    tubi = shows(crawl(ask, "/shows/search/filters?country=us&catalogs=tubi.free"))
    assert all(any(o["service"]["id"] == "tubi" for o in s["streamingOptions"]["us"]) for s in tubi)
    for query in ("&order_direction=desc", "&order_by=rating"):
        ids = [s["id"] for s in shows(crawl(ask, FILTERS + query))]
        assert ids != [s["id"] for s in everything]
        assert sorted(ids) == sorted(s["id"] for s in everything)
    assert shows(crawl(ask, FILTERS + "&genres=drama,western,war,horror")) == []


def test_v3_sends_an_empty_cursor_at_the_end(start: Any) -> None:
    assert crawl(start(titles=30, api_version="v3").ask)[-1]["nextCursor"] == ""


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (FILTERS, {}, 401),
        (FILTERS, {"X-RapidAPI-Key": "key-1"}, 401),
        (FILTERS, {"X-API-Key": "other"}, 403),
        (FILTERS, {"X-API-Key": "key-1"}, 200),
        (FILTERS.replace("us", "US"), KEY, 400),
        ("/shows/search/filters", KEY, 400),
        (FILTERS + ",unheard", KEY, 400),
        (FILTERS + "&genres=cooking", KEY, 400),
        (FILTERS + "&cursor=20%3ANo%20such", KEY, 400),
        (FILTERS + "&curser=1", KEY, 400),
    ],
)
def test_sapi_refuses_like_a_gateway(target: str, headers: dict[str, str], status: int, start: Any) -> None:
    got = start(titles=40, api_key="key-1").ask(target, headers=headers)
    assert got.status == status
    assert status == 200 or got.json["message"]
    assert b"key-1" not in got.body


def test_statistics(start: Any) -> None:
    run = start(titles=60, records=50)
    crawl(run.ask)
    run.ask(FILTERS, headers=KEY)
    run.ask("/styles/graphql-get?token=hidden-1")
    run.ask("/nothing")
    stats = run.ask("/__stats").json
    assert stats["requests"] == 6
    assert stats["by_path"] == {"/shows/search/filters": 4, "/styles/graphql-get": 1, "/nothing": 1}
    assert stats["by_status"] == {"200": 5, "404": 1}
    assert (stats["distinct"], stats["repeated"], stats["refetched"]) == (5, 1, 1)
    assert stats["by_request"][f"GET {FILTERS}"] == 2
    assert stats["first"] <= stats["last"]
    assert stats["in_flight"] == 0
    assert sorted(stats["keys"].values()) == [1, 4]
    assert "hidden-1" not in json.dumps(stats)
    assert "key-1" not in json.dumps(stats)
    assert "by_request" not in run.ask("/__stats?exact=0").json
    run.ask("/__reset", method="POST")
    assert run.ask("/__stats").json["requests"] == 0


def test_a_broken_answer_is_asked_for_again_but_not_fetched_twice(start: Any) -> None:
    run = start(records=50)
    run.sandbox.fault("length_truncation", nth=1)
    with pytest.raises(Exception, match="IncompleteRead"):
        run.ask("/styles/whole")
    run.ask("/styles/whole")
    assert (run.stats["repeated"], run.stats["refetched"]) == (1, 0)


def test_most_in_flight_at_once(start: Any) -> None:
    run = start(records=50)
    run.sandbox.fault("hang", params={"seconds": 0.3})

    def one(_: int) -> None:
        with urllib.request.urlopen(f"{run.ask.url}/echo", timeout=10):
            pass

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(one, n) for n in range(4)]
    assert all(result.exception() is not None for result in results), "none was answered"
    assert run.stats["in_flight_max"] == 4
    assert run.stats["by_status"] == {"none": 4}


def test_head_and_keep_alive_and_chunked_requests(start: Any) -> None:
    run = start(records=50)
    head = run.ask("/styles/whole", method="HEAD")
    whole = run.ask("/styles/whole")
    assert head.body == b""
    assert head.headers["content-length"] == str(len(whole.body))
    body = b"5\r\nscope\r\n4\r\n=all\r\n0\r\n\r\n"
    got = run.ask("/styles/cursor-form", method="POST", body=body, headers={"Transfer-Encoding": "chunked"})
    assert got.status == 200
    assert run.stats["connections"] == 1


def test_the_command_prints_its_url_first() -> None:
    command = [sys.executable, "-m", "headrace.sandbox", "--port", "0", "--records", "7", "--fault", "status_500"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            import http.client

            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
            statuses = []
            for _ in range(3):
                connection.request("GET", "/styles/whole")
                answer = connection.getresponse()
                statuses.append((answer.status, len(json.loads(answer.read()).get("data", []))))
            assert statuses == [(200, 7), (200, 7), (500, 0)]
            connection.close()
        finally:
            process.terminate()


@pytest.mark.parametrize("argv", [["--fault", "no_such"], ["--fault", "{"], ["--window", "x"], ["--port", "-1"]])
def test_the_command_refuses_in_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert capsys.readouterr().err.count("\n") == 1
