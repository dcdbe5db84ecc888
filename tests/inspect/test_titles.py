"""What is on offer now, and what was: asked in Python, over the tables of the built-in pipeline."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.core.clock import SystemClock
from headrace.core.errors import CannotOpen, InputError
from headrace.destinations import from_url
from headrace.inspect.titles import offers, table
from headrace.sandbox import Options, run_in_thread

HOST = "streaming-availability.p.rapidapi.com"
FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)


class At(SystemClock):
    def __init__(self, day: int) -> None:
        self._moment = FIRST + timedelta(days=day)

    def now(self) -> int:
        return int(self._moment.timestamp() * 1e6)


@dataclass
class Filled:
    url: str
    shows: dict[str, Any]
    gone: set[str]
    """Titles that the second crawl, a day later, no longer saw."""


@pytest.fixture(scope="module", params=["duckdb", "sqlite"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    folder: Path = tmp_path_factory.mktemp("titles")
    url = f"{request.param}:///{folder}/made.{request.param}"
    for day, titles in enumerate((112, 100)):
        with run_in_thread(Options(titles=titles, signatures="fixed")) as server:
            result = headrace.run(
                "sapi", destination=url, run_id=f"day{day}", secrets={"SAPI": "test-key"}, rewrite={HOST: server.url},
                state=folder / "state", clock=At(day),
            )  # fmt: skip
            assert result.status == "done"
    shows: dict[str, Any] = {}
    seen: dict[str, set[str]] = {}
    with from_url(url).open(read_only=True) as session:
        for page in session.raw_pages("sapi_raw_pages"):
            for show in json.loads(page.body)["shows"]:
                shows[show["id"]] = show
                seen.setdefault(page.run_id, set()).add(show["id"])
    return Filled(url, shows, seen["day0"] - seen["day1"])


def expected(show: Any, country: str | None = None) -> set[tuple[str, str, str]]:
    return {
        (code.upper(), offer["service"]["id"], offer["type"])
        for code, found in show["streamingOptions"].items()
        for offer in found
        if country in (None, code)
    }


def keys(found: list[Any]) -> set[tuple[str, str, str]]:
    return {(offer.country, offer.service_id, offer.offer_type) for offer in found}


def test_the_offers_of_a_title(filled: Filled) -> None:
    show = next(s for i, s in filled.shows.items() if i not in filled.gone and len(expected(s)) > 1)
    found = offers(filled.url, show["title"])
    mine = [offer for offer in found if offer.sapi_id == show["id"]]
    assert keys(mine) == expected(show)
    assert keys(offers(filled.url, show["title"].upper(), "US")) == keys(offers(filled.url, show["title"], "us"))
    assert keys(offers(filled.url, show["imdbId"], "us")) == expected(show, "us") != set()
    for offer in mine:
        assert offer.title == show["title"]
        assert isinstance(offer.audios, list)
        assert offer.expires_soon in (True, False)
        assert offer.available_since is None or offer.available_since.tzinfo is UTC
        assert abs(offer.fetched_at - FIRST - timedelta(days=1)) < timedelta(minutes=1)  # seen by the second crawl
        assert offer.valid_from is None
    other = next(
        s for i, s in filled.shows.items() if i not in filled.gone and s["originalTitle"] != s["title"] and expected(s)
    )
    assert expected(other) <= keys(offers(filled.url, other["originalTitle"]))
    assert offers(filled.url, "no such title") == []
    assert offers(filled.url, show["title"], "zz") == []


def test_the_offers_at_a_date(filled: Filled) -> None:
    ident = next(i for i in sorted(filled.gone) if expected(filled.shows[i]))
    show = filled.shows[ident]
    assert offers(filled.url, ident) == []  # gone now
    then = offers(filled.url, ident, at=FIRST + timedelta(hours=12))
    assert keys(then) == expected(show)
    assert all(o.valid_from is not None and o.valid_to is not None and o.valid_from < o.valid_to for o in then)
    assert keys(offers(filled.url, ident, at="2026-03-02")) == expected(show)
    assert offers(filled.url, ident, at=(FIRST + timedelta(days=2)).date()) == []
    assert offers(filled.url, ident, at=FIRST - timedelta(days=1)) == []
    stays = next(i for i in filled.shows if i not in filled.gone and expected(filled.shows[i]))
    assert keys(offers(filled.url, stays, at="2027-01-01")) == expected(filled.shows[stays])


def test_the_rows_of_a_table(filled: Filled) -> None:
    rows = table(
        filled.url, "sapi_titles", columns=["sapi_id", "title", "fetched_at"], order_by=["sapi_id"], limit=None
    )
    assert {row["sapi_id"]: row["title"] for row in rows} == {i: s["title"] for i, s in filled.shows.items()}
    assert [row["sapi_id"] for row in rows] == sorted(filled.shows)
    assert list(rows[0]) == ["sapi_id", "title", "fetched_at"]
    assert all(row["fetched_at"].tzinfo is UTC for row in rows)
    assert len(table(filled.url, "sapi_titles", limit=3)) == 3
    two = sorted(filled.shows)[:2]
    assert [r["sapi_id"] for r in table(filled.url, "sapi_titles", where={"sapi_id": two}, order_by=["sapi_id"])] == two
    assert table(filled.url, "sapi_titles", where={"sapi_id": []}) == []
    at = {"fetched_at": rows[0]["fetched_at"]}
    assert rows[0]["sapi_id"] in {row["sapi_id"] for row in table(filled.url, "sapi_titles", where=at)}
    some = table(filled.url, "sapi_offers", where={"expires_soon": True, "country": "US"}, limit=None)
    assert some
    assert all(row["expires_soon"] is True and isinstance(row["audios"], list) for row in some)
    without = table(filled.url, "sapi_offers", where={"watch_link": None}, limit=None)
    assert all(row["watch_link"] is None for row in without)


def test_what_there_is_not(filled: Filled, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table 'sapi_title', did you mean 'sapi_titles'"):
        table(filled.url, "sapi_title")
    with pytest.raises(InputError, match="no column 'titel', did you mean 'title'"):
        table(filled.url, "sapi_titles", where={"titel": "x"})
    with pytest.raises(InputError, match="no column"):
        table(filled.url, "sapi_titles", columns=['title" FROM sapi_titles; --'])
    with pytest.raises(InputError, match="at: 'soon' is not a date"):
        offers(filled.url, "x", at="soon")
    with pytest.raises((CannotOpen, InputError)):
        offers(f"sqlite:///{tmp_path}/none.sqlite", "x")
    assert list(tmp_path.iterdir()) == [], "who asks makes no database"
    assert len(table(filled.url, "sapi_titles", where={"title": "'; DROP TABLE sapi_titles; --"})) == 0
