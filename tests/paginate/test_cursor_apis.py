"""Cursors of real APIs, each in the words of its own answers."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.paginate.answers import GET, URL, after, doubted, pages

from headrace.core.errors import AnswerError, InputError, PathNotFound
from headrace.core.http import Request


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
