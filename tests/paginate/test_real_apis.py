"""What real APIs do, each in the words of its own answers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.paginate.answers import GET, after, answered, doubted, pages

from headrace.core.errors import HeadraceError, PathNotFound


class TestPage:
    def test_tvmaze_counts_from_zero_and_its_short_pages_are_not_the_end(self) -> None:
        tvmaze = pages(type="page", start=0, limit=250)
        assert tvmaze.start() == 0
        assert after(tvmaze, [{"id": 1}] * 240, 0, data="") == 1
        assert after(tvmaze, [], 70, data="") is None

    @pytest.mark.parametrize(
        ("config", "body", "headers"),
        [
            ({"total_path": "total"}, {"total": 2}, {}),
            ({"total_path": "total"}, {"total": "2"}, {}),
            ({"pages_path": "meta.pages"}, {"meta": {"pages": 3}}, {}),
            ({"more_path": "more"}, {"more": False}, {}),
            ({"more_path": "more"}, {"more": "false"}, {}),
            ({"limit": 3, "stop_on_short": True}, {}, {}),
            ({"pages_header": "X-WP-TotalPages"}, {}, {"x-wp-totalpages": "3"}),
            ({"total_header": "X-Total-Count"}, {}, {"x-total-count": "2"}),
        ],
    )  # fmt: skip
    def test_what_ends_it(self, config: dict[str, Any], body: dict[str, Any], headers: dict[str, str]) -> None:
        paginator = pages(type="page", **config)
        assert after(paginator, {"items": [1, 2], **body}, 3, headers=headers) is None
        assert after(pages(type="page"), {"items": [1, 2], **body}, 3, headers=headers) == 4

    @pytest.mark.parametrize("config", [{"total_path": "total"}, {"pages_path": "total"}, {"more_path": "total"}])
    def test_a_rule_whose_value_is_absent_leaves_the_empty_page(self, config: dict[str, Any]) -> None:
        paginator = pages(type="page", **config)
        assert after(paginator, {"items": [1]}, 1) == 2
        assert after(paginator, {"items": []}, 2) is None

    def test_what_says_that_there_is_more_holds_over_an_empty_page(self) -> None:
        assert after(pages(type="page", more_path="more"), {"items": [], "more": True}, 1) == 2
        assert after(pages(type="page", pages_path="n"), {"items": [], "n": 5}, 4) == 5
        assert after(pages(type="page", pages_path="n"), {"items": [], "n": 5}, 5) is None

    def test_a_total_of_zero_beside_records_means_nothing(self) -> None:
        assert after(pages(type="page", total_path="total"), {"items": [1], "total": 0}, 1) == 2

    def test_the_total(self) -> None:
        paginator = pages(type="page", total_path="total")
        assert paginator.total(answered(paginator, {"items": [1], "total": 40})) == 40
        assert paginator.total(answered(paginator, {"items": [1], "total": True})) is None


class TestOffset:
    def test_it_advances_by_what_came(self) -> None:
        offset = pages(type="offset", limit=100)
        assert offset.apply(GET, 0).params == (("q", "x"), ("limit", "100"), ("offset", "0"))
        assert after(offset, {"items": [1] * 50}, 0) == 50
        assert offset.ahead(0) == 100
        assert pages(type="offset").ahead(0) is None

    def test_scim_counts_from_one(self) -> None:
        scim = pages(
            type="offset", param="startIndex", start=1, limit_param="count", limit=2, total_path="totalResults"
        )
        assert scim.start() == 1
        assert after(scim, {"items": [1, 2], "totalResults": 3}, 1) == 3
        assert after(scim, {"items": [1], "totalResults": 3}, 3, page=2, seen=3) is None

    def test_an_empty_page_that_promises_more_is_doubted(self) -> None:
        offset = pages(type="offset", more_path="more")
        assert "empty page" in str(doubted(offset, {"items": [], "more": True}, 10))
        assert doubted(offset, {"items": []}, 10) is None


class TestLink:
    def test_github(self) -> None:
        github = pages(type="link", response_path="", limit=100, limit_param="per_page")
        assert github.apply(GET, None).params == (("q", "x"), ("per_page", "100"))
        header = (
            '<https://api.github.com/repositories/1/issues?per_page=100&page=2>; rel="next", '
            '<https://api.github.com/repositories/1/issues{?page,per_page}>; rel="first"'
        )
        follow = after(github, [1], data="", headers={"link": header})
        assert follow == "https://api.github.com/repositories/1/issues?per_page=100&page=2"
        assert github.apply(GET, follow).full_url == follow

    @pytest.mark.parametrize(
        ("header", "link"),
        [
            ('<https://a/b?x=1,2;3>; title="a, <c>; rel=next"; rel=next', "https://a/b?x=1,2;3"),
            ('<https://a/1>; rel="prev", <https://a/2>; REL="start Next"', "https://a/2"),
            ("</v1/items?page=2>;rel=next", "https://api.example/v1/items?page=2"),
            ("<?page=2>; rel=next", "https://api.example/v1/items?page=2"),
            ("<//other.example/x>; rel=next", "https://other.example/x"),
            ('garbage, <https://a/2>; rel="next"', "https://a/2"),
            ('<https://a/2>; rel="prev"; rel="next"', None),
            ('<https://a/{x}>; rel="first"', None),
            ("", None),
            ("<", None),
            (";" * 50_000, None),
            ("<a>;" * 20_000, None),
            (" " * 50_000, None),
            ("<a>" + " " * 50_000, None),
            ("<a> ; " * 20_000 + "rel=next", None),
            ("<a>;; ;rel=next", "https://api.example/v1/a"),
        ],
    )  # fmt: skip
    def test_headers(self, header: str, link: str | None) -> None:
        assert after(pages(type="link"), [1], data="", headers={"link": header}) == link

    @pytest.mark.parametrize(
        ("last", "doubt"),
        [
            ("https://api.example/v1/items?keep=1&page=9", False),  # the page was asked for without a number
            ("https://api.example/v1/other?keep=2", True),
            ("?keep=1", False),
            ("http://[", False),
        ],
    )  # fmt: skip
    def test_a_last_page_elsewhere_and_no_next_is_doubted(self, last: str, doubt: bool) -> None:
        found = doubted(pages(type="link"), [1], data="", page=2, headers={"link": f'<{last}>; rel="last"'})
        assert (found is not None) == doubt

    def test_links_in_bodies(self) -> None:
        assert after(pages(type="link", response_path="next"), {"items": [1], "next": "/a b?é=%20#x"}) == (
            "https://api.example/a%20b?%C3%A9=%20"
        )
        odata = pages(type="link", response_path='"@odata.nextLink"')
        assert (
            after(odata, {"items": [1], "@odata.nextLink": "https://a/?$skiptoken=X'1'"})
            == "https://a/?$skiptoken=X'1'"
        )
        fhir = pages(type="link", response_path="link")
        links = [{"relation": "self", "url": "https://a/1"}, {"relation": "next", "url": "https://a/2"}]
        assert after(fhir, {"items": [1], "link": links}) == "https://a/2"
        assert after(fhir, {"items": [1], "link": links[:1]}) is None
        for end in (None, "", False):
            assert doubted(pages(type="link", response_path="next", limit=1), {"items": [1], "next": end}) is None

    @pytest.mark.parametrize(
        "link", ["file:///etc/passwd", "javascript:alert(1)", "http://[::1", "c:3", {"href": "x"}, 5]
    )
    def test_what_is_no_link(self, link: Any) -> None:
        with pytest.raises(HeadraceError):
            after(pages(type="link", response_path="next"), {"items": [1], "next": link})

    def test_a_misspelt_path_does_not_end_the_crawl(self) -> None:
        with pytest.raises(PathNotFound, match="did you mean 'next'"):
            after(pages(type="link", response_path="links.nxt"), {"items": [1], "links": {"next": "/2"}})
        assert after(pages(type="link", response_path="links.next"), {"items": [1], "links": {"self": "/1"}}) is None

    def test_doubts(self) -> None:
        header = pages(type="link", limit=1)
        assert "had no Link header" in str(doubted(header, [1], data=""))
        assert doubted(header, [1], data="", headers={"link": "</x>; rel=prev"}) is None
        assert doubted(header, [1], data="", page=2) is None
        assert "next" in str(doubted(pages(type="link"), {"items": [1], "next": "/2"}))
        assert "had no link" in str(doubted(pages(type="link", response_path="n", limit=1), {"items": [1]}, page=3))


class TestNone:
    def test_an_answer_that_points_to_more_is_doubted(self) -> None:
        assert "nextCursor" in str(doubted(pages(type="none"), {"items": [1], "nextCursor": "c"}))
        assert "Link" in str(doubted(pages(type="none"), {"items": [1]}, headers={"link": "</2>; rel=next"}))

    def test_a_plain_answer_is_not(self) -> None:
        assert doubted(pages(type="none"), {"items": [1], "nextCursor": None, "links": {"self": "/1"}}) is None
        assert doubted(pages(type="none", single_page=True), {"items": [1], "nextCursor": "c"}) is None
