"""What real APIs do, each in the words of its own answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from headrace.core.contracts import Answer, Cursor, Paginator
from headrace.core.errors import AnswerError, HeadraceError, InputError, PathNotFound
from headrace.core.http import Request, Response
from headrace.core.kinds import OneOf
from headrace.core.paths import parse
from headrace.sources.decode import by_content_type, count

URL = "https://api.example/v1/items?keep=1"
GET = Request("GET", URL, params=(("q", "x"),))


def pages(**config: Any) -> Paginator:
    """A paginator as the pipeline file gives it."""
    from typing import Annotated

    return TypeAdapter(Annotated[Paginator, OneOf("headrace.sources.paginate")]).validate_python(config)


def answered(
    paginator: Paginator, body: Any, *, data: str = "items", page: int = 1, seen: int | None = None,
    headers: dict[str, str] | None = None, url: str = URL,
) -> Answer:  # fmt: skip
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/xml" if text.startswith(b"<") else "application/json"
    response = Response(200, (("content-type", kind), *(headers or {}).items()), text, url, 0)
    envelope = by_content_type(response).open(response, parse(data), paginator.wants())
    records = count(envelope.records)
    return Answer(response, envelope, records, page, records if seen is None else seen)


def after(paginator: Paginator, body: Any, at: Cursor = None, **more: Any) -> Cursor:
    return paginator.next(answered(paginator, body, **more), at)


def doubted(paginator: Paginator, body: Any, at: Cursor = None, **more: Any) -> tuple[str, str] | None:
    answer = answered(paginator, body, **more)
    assert paginator.next(answer, at) is None
    return paginator.doubt(answer, at)


class TestCursor:
    def test_the_defaults(self) -> None:
        cursor = pages(type="cursor", response_path="next")
        assert cursor.apply(GET, None) == GET
        assert cursor.apply(GET, '48000:It\'s a "?" & more').full_url == (
            URL + "&q=x&cursor=48000%3AIt%27s%20a%20%22%3F%22%20%26%20more"
        )

    def test_a_limit_is_sent_only_when_it_is_given(self) -> None:
        cursor = pages(type="cursor", response_path="next", limit=50, limit_param="page_size")
        assert cursor.apply(GET, None).params == (("q", "x"), ("page_size", "50"))
        assert cursor.apply(GET, "c").params == (("q", "x"), ("page_size", "50"), ("cursor", "c"))

    def test_streaming_availability_v3_and_v4(self) -> None:
        sapi = pages(type="cursor", response_path="nextCursor", more_path="hasMore")
        assert after(sapi, {"items": [1], "hasMore": True, "nextCursor": "1:a"}) == "1:a"
        assert doubted(sapi, {"items": [1], "hasMore": False, "nextCursor": ""}, page=3) is None
        assert doubted(sapi, {"items": [1], "hasMore": False}) is None

    @pytest.mark.parametrize("rest", [{}, {"nextCursor": ""}, {"nextCursor": None}])
    def test_more_without_a_cursor_is_an_error(self, rest: dict[str, Any]) -> None:
        sapi = pages(type="cursor", response_path="nextCursor", more_path="hasMore", optional=True)
        with pytest.raises(PathNotFound, match="'hasMore' says that there are more"):
            after(sapi, {"items": [1], "hasMore": True, **rest}, page=9)

    def test_hubspot_ends_by_leaving_paging_out(self) -> None:
        hubspot = pages(type="cursor", param="after", response_path="paging.next.after", limit=2)
        assert after(hubspot, {"items": [1, 2], "paging": {"next": {"after": "2"}}}) == "2"
        assert doubted(hubspot, {"items": [1]}, page=4) is None
        assert doubted(hubspot, {"items": [1]}) is None, "one page that is not full is the whole"

    def test_hubspot_v1_numbers(self) -> None:
        old = pages(type="cursor", param="vidOffset", response_path="vid-offset", more_path="has-more")
        assert after(old, {"items": [1], "has-more": True, "vid-offset": 204727}) == 204727
        assert old.apply(GET, 204727).params[-1] == ("vidOffset", "204727")
        assert after(old, {"items": [1], "has-more": False, "vid-offset": 204727}) is None

    def test_slack_ends_on_an_empty_text(self) -> None:
        slack = pages(type="cursor", response_path="response_metadata.next_cursor", limit=1)
        assert doubted(slack, {"items": [1], "response_metadata": {"next_cursor": ""}}, page=2) is None

    def test_notion_puts_the_cursor_into_the_body_and_may_have_empty_pages(self) -> None:
        notion = pages(
            type="cursor", **{"in": "body"}, param="start_cursor", limit=3, limit_param="page_size",
            response_path="next_cursor", more_path="has_more",
        )  # fmt: skip
        post = Request("POST", URL, json={"filter": {"a": 1}})
        assert notion.apply(post, None).json == {"filter": {"a": 1}, "page_size": 3}
        assert notion.apply(post, "c").json == {"filter": {"a": 1}, "page_size": 3, "start_cursor": "c"}
        assert post.json == {"filter": {"a": 1}}
        assert after(notion, {"items": [], "has_more": True, "next_cursor": "d"}) == "d"

    def test_graphql_variables(self) -> None:
        graphql = pages(
            type="cursor", **{"in": "body"}, body_path="variables.after", limit=50, limit_param="variables.first",
            response_path="data.all.pageInfo.endCursor", more_path="data.all.pageInfo.hasNextPage",
        )  # fmt: skip
        post = Request("POST", URL, json={"query": "{…}", "variables": {"country": "FR"}})
        assert graphql.apply(post, "c").json["variables"] == {"country": "FR", "first": 50, "after": "c"}
        assert graphql.apply(Request("POST", URL, json={"query": "q"}), "c").json["variables"]["after"] == "c"
        page = {"data": {"all": {"edges": [1], "pageInfo": {"endCursor": "c", "hasNextPage": True}}}}
        assert after(graphql, page, data="data.all.edges") == "c"

    def test_a_form_a_header_and_a_text_body(self) -> None:
        form = pages(type="cursor", **{"in": "body"}, response_path="next")
        assert form.apply(Request("POST", URL, form=(("a", "1"), ("cursor", "old"))), "c").form == (
            ("a", "1"), ("cursor", "c"),
        )  # fmt: skip
        header = pages(type="cursor", **{"in": "header"}, param="X-After", response_header="X-Next")
        assert header.apply(GET, "c").headers == (("X-After", "c"),)
        assert after(header, {"items": [1]}, headers={"x-next": "d"}) == "d"
        assert after(header, {"items": [1]}) is None
        soap = pages(type="cursor", **{"in": "body"}, param="token", response_path="next")
        envelope = Request("POST", URL, text="<e><t>{token}</t></e>")
        assert soap.apply(envelope, None).text == "<e><t></t></e>"
        assert soap.apply(envelope, "a<b").text == "<e><t>a&lt;b</t></e>"

    def test_a_body_that_has_no_such_place(self) -> None:
        cursor = pages(type="cursor", **{"in": "body"}, body_path="a.b", response_path="next")
        with pytest.raises(InputError, match=r"a\.b"):
            cursor.apply(Request("POST", URL, json={"a": 5}), "c")

    def test_stripe_takes_the_last_record(self) -> None:
        stripe = pages(type="cursor", param="starting_after", response_path="items.-1.id", limit=1)
        assert after(stripe, {"items": [{"id": "a"}, {"id": "b"}], "has_more": True}) == "b"
        assert doubted(stripe, {"items": []}, page=3) is None
        with pytest.raises(PathNotFound, match="did you mean 'id'"):
            after(pages(type="cursor", response_path="items.-1.idd"), {"items": [{"id": "a"}]}, page=5)

    @pytest.mark.parametrize(
        ("body", "flag"),
        [
            ({"items": [], "has_more": True}, "has_more"),
            ({"items": [], "meta": {"hasNextPage": True}}, "meta.hasNextPage"),
            ({"items": [], "has_more": False}, None),
            ({"items": [], "more": "later", "moreover": True, "next": {"a": {"b": {"more": True}}}}, None),
        ],
    )  # fmt: skip
    def test_an_end_against_a_flag_that_the_file_does_not_name_is_doubted(
        self, body: dict[str, Any], flag: str | None
    ) -> None:
        found = doubted(pages(type="cursor", response_path="items.-1.id"), body, page=3)
        assert found == (flag and (f"the crawl ended although '{flag}' is true", f"more_path: {flag}"))
        assert doubted(pages(type="cursor", response_path="items.-1.id", optional=True), body, page=3) is None

    def test_crossref_repeats_its_cursor_until_an_empty_page(self) -> None:
        crossref = pages(type="cursor", response_path="next-cursor", start="*", stop_on_empty=True)
        assert crossref.start() == "*"
        assert after(crossref, {"items": [1], "next-cursor": "same"}, "same") == "same"
        assert doubted(crossref, {"items": [], "next-cursor": "same"}, "same", page=9) is None

    def test_an_object_whose_members_go_into_the_request(self) -> None:
        wiki = pages(type="cursor", response_path="continue", merge=True)
        follow = after(wiki, {"items": [1], "continue": {"cmcontinue": "page|4", "continue": "-||", "n": 3}})
        assert wiki.apply(GET, follow).params == (("q", "x"), ("cmcontinue", "page|4"), ("continue", "-||"), ("n", "3"))
        body = pages(type="cursor", response_path="key", merge=True, **{"in": "body"}, body_path="start")
        assert body.apply(Request("POST", URL, json={}), {"a.b": 1}).json == {"start": {"a.b": 1}}
        assert after(wiki, {"items": [1]}, page=2) is None

    def test_a_cursor_that_excludes_the_other_parameters(self) -> None:
        oai = pages(
            type="cursor", param="resumptionToken", response_path="l.t.#text", exclusive=["verb"], limit=5,
        )  # fmt: skip
        first = Request("GET", URL, params=(("verb", "List"), ("set", "a")))
        assert oai.apply(first, None).full_url == URL + "&verb=List&set=a&limit=5"
        assert oai.apply(first, "t").full_url == "https://api.example/v1/items?verb=List&resumptionToken=t"
        assert pages(type="cursor", response_path="t", exclusive=True).apply(GET, "t").full_url == (
            "https://api.example/v1/items?cursor=t"
        )
        post = Request("POST", URL, json={"a": 1, "b": 2})
        scroll = pages(type="cursor", response_path="t", exclusive=["a"], **{"in": "body"})
        assert scroll.apply(post, "t").json == {"a": 1, "cursor": "t"}

    def test_an_xml_answer_with_its_own_token(self) -> None:
        oai = pages(type="cursor", param="resumptionToken", response_path="l.t.#text")
        assert after(oai, b'<l><i>1</i><t size="3">tok</t></l>', data="l.i") == "tok"
        assert after(oai, b'<l><i>1</i><t size="3"/></l>', data="l.i", page=2) is None
        with pytest.raises(PathNotFound, match=r"'l' has the keys|'t'"):
            after(
                pages(type="cursor", response_path="l.token"), b"<l><i>1</i><nextToken>tok</nextToken></l>", data="l.i"
            )

    def test_values_that_mean_the_end(self) -> None:
        zero = pages(type="cursor", response_path="next", end=[0, "LTE="])
        assert after(zero, {"items": [1], "next": 0}) is None
        assert after(zero, {"items": [1], "next": "LTE="}) is None
        assert after(zero, {"items": [1], "next": False}) is None
        assert after(pages(type="cursor", response_path="next"), {"items": [1], "next": 0}) == 0

    def test_a_misspelt_path_does_not_end_the_crawl(self) -> None:
        cursor = pages(type="cursor", response_path="meta.nxt_cursor")
        with pytest.raises(PathNotFound) as caught:
            after(cursor, {"items": [1], "meta": {"next_cursor": "c", "count": 1}})
        assert "'meta' has the keys next_cursor, count, did you mean 'next_cursor'?" in str(caught.value)
        assert "optional: true" in caught.value.hint
        with pytest.raises(PathNotFound, match="nextPageToken"):
            after(pages(type="cursor", response_path="next"), {"items": [1], "nextPageToken": "t"})
        with pytest.raises(PathNotFound, match="the page is full"):
            after(pages(type="cursor", response_path="next", limit=2), {"items": [1, 2], "kind": "list"})

    def test_a_short_api_that_has_no_cursor_at_all_is_no_error(self) -> None:
        cursor = pages(type="cursor", response_path="next", total_path="total")
        plain = {"items": [1], "total": 1, "links": {"self": "/items"}, "pagination": {"page": 1}, "nextSale": None}
        assert doubted(cursor, plain) is None
        assert doubted(pages(type="cursor", response_path="next", limit=1, optional=True), {"items": [1]}) is None
        assert doubted(pages(type="cursor", response_path="next"), {"items": [], "next_token": "x"}) is None
        assert (
            doubted(pages(type="cursor", response_path="next", limit=1, total_path="n"), {"items": [1], "n": 1}) is None
        )

    def test_an_end_that_was_only_inferred_is_doubted(self) -> None:
        full = pages(type="cursor", response_path="next", limit=1)
        assert doubted(full, {"items": [1]}, page=7) == (
            "the last page was full (1 records) and had no cursor",
            "optional: true",
        )
        flagged = pages(type="cursor", response_path="next", more_path="more")
        assert "'more'" in str(doubted(flagged, {"items": [1]}, page=7))
        assert doubted(flagged, {"items": [1], "next": None}, page=7) is None

    @pytest.mark.parametrize(
        ("config", "value", "hint"),
        [
            ({}, {"a": 1}, "merge: true"), ({"merge": True}, "a", "merge"), ({}, True, "more_path"), ({}, [1, 2], "body"),
            ({}, "\ud800", ""),
        ],
    )  # fmt: skip
    def test_a_cursor_that_no_request_can_carry(self, config: dict[str, Any], value: Any, hint: str) -> None:
        cursor = pages(type="cursor", response_path="next", **config)
        with pytest.raises(AnswerError) as caught:
            after(cursor, {"items": [1], "next": value})
        assert hint in caught.value.hint

    def test_a_list_goes_into_a_body(self) -> None:
        elastic = pages(type="cursor", **{"in": "body"}, param="search_after", response_path="items.-1.sort")
        assert after(elastic, {"items": [{"sort": [5, "a"]}]}) == [5, "a"]

    @pytest.mark.parametrize("config", [{}, {"response_path": "a", "response_header": "b"}, {"response_path": "a..b"}])
    def test_configurations_that_are_refused(self, config: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            pages(type="cursor", **config)


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
