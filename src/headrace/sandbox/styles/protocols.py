"""GraphQL over POST and GET, and SOAP."""

from __future__ import annotations

import re
from xml.etree.ElementTree import ParseError, fromstring

from headrace.sandbox.exchange import Exchange, refusal
from headrace.sandbox.http import BadParameter, Reply, dumps, join, json_reply
from headrace.sandbox.listing import Records, Window
from headrace.sandbox.styles._common import POST, Family, after, decode, encode, whole
from headrace.sandbox.styles.bodies import xml_rows

FAMILY = Family()
style = FAMILY.style
_QUERY = "query Page($first: Int, $after: String) { records(first: $first, after: $after) { totalCount } }"


def _connection(exchange: Exchange, records: Records, page: Window) -> bytes:
    info = {"hasNextPage": page.more, "endCursor": encode(page.end) if page.next is None else after(page)}
    if page.start == page.end or (page.more and page.next is None):
        info["endCursor"] = None
    edges = exchange.rendered("edges", records, page, lambda: dumps([{"node": row} for row in records.rows(page)]))
    return join(totalCount=page.total, pageInfo=info, edges=edges)


@style(
    "graphql", "POST with query and variables; data wrapper; errors come with status 200", "cursor", "flag", "total",
    methods=POST,
    extract={
        "graphql": {"query": _QUERY, "variables": {"first": 100}},
        "pagination": {
            "type": "cursor", "in": "body", "body_path": "variables.after",
            "response_path": "data.records.pageInfo.endCursor", "more_path": "data.records.pageInfo.hasNextPage",
            "total_path": "data.records.totalCount",
        },
        "data_path": "data.records.edges.*.node",
        "error_path": "errors",
    },
)  # fmt: skip
def graphql(exchange: Exchange) -> Reply:
    asked = exchange.request.json
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        return refusal(400, "A GraphQL request is JSON with a query.")
    variables = asked.get("variables") or {}
    try:
        if not re.search(r"\brecords\b", asked["query"]):
            raise BadParameter("query", "asks for no field of this schema (records)")
        cursor = variables.get("after")
        start = decode(str(cursor), "after") if cursor else 0
        size = whole(variables.get("first"), "first", exchange.size("first"), least=1)
    except BadParameter as error:
        return json_reply({"data": None, "errors": [{"message": str(error), "path": ["records"]}]})
    records = exchange.records()
    return Reply(
        body=join(data=join(records=_connection(exchange, records, records.window(start, size, positional=False))))
    )


@style(
    "graphql-get", "GET with a token in the query; no data wrapper; at most 50 a page, whatever is asked",
    "cursor", "flag", "total",
    extract={
        "params": {"first": "100"},
        "pagination": {
            "type": "cursor", "param": "after", "response_path": "recordList.pageInfo.endCursor",
            "more_path": "recordList.pageInfo.hasNextPage", "total_path": "recordList.totalCount",
        },
        "data_path": "recordList.edges.*.node",
        "auth": {"type": "query", "param_name": "token", "provider": "SANDBOX"},
    },
)  # fmt: skip
def graphql_get(exchange: Exchange) -> Reply:
    wanted = exchange.options.api_key
    token = exchange.request.query.get("token", "")
    if not token or (wanted is not None and token != wanted):
        return refusal(401, "The token is missing or wrong.")
    cursor = exchange.request.query.get("after")
    records = exchange.records()
    page = records.window(decode(cursor, "after") if cursor else 0, exchange.size("first", most=50), positional=False)
    return Reply(body=join(recordList=_connection(exchange, records, page)))


_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?>\n<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">'
    "<soap:Body>%s</soap:Body></soap:Envelope>\n"
)


@style(
    "soap", "SOAP 1.1: ListRecords with a page number; faults are 500 with a Fault", "flag", "positional", methods=POST,
    extract={
        "soap": {
            "action": "urn:sandbox:ListRecords",
            "envelope": (
                '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
                '<ListRecords xmlns="urn:sandbox"><page>{{page}}</page></ListRecords></soap:Body></soap:Envelope>'
            ),
        },
        "pagination": {
            "type": "page", "in": "body", "param": "page",
            "more_path": "Envelope.Body.ListRecordsResponse.more",
        },
        "decode": {"type": "xml", "lists": ["Envelope.Body.ListRecordsResponse.record"]},
        "data_path": "Envelope.Body.ListRecordsResponse.record",
    },
)  # fmt: skip
def soap(exchange: Exchange) -> Reply:
    request = exchange.request
    if request.headers.get("soapaction", "").strip('"') != "urn:sandbox:ListRecords":
        return _fault("soap:Client", "The SOAPAction names no operation of this service.")
    if b"<!DOCTYPE" in request.body:
        return _fault("soap:Client", "A document type is not taken.")
    try:
        asked = fromstring(request.body).find(".//{urn:sandbox}ListRecords")  # noqa: S314  (no DOCTYPE gets here)
        number = int(asked.findtext("{urn:sandbox}page") or 1) if asked is not None else 0
    except (ParseError, ValueError):
        number = 0
    if number < 1:
        return _fault("soap:Client", "The envelope holds no ListRecords with a page of at least 1.")
    records, size = exchange.records(), exchange.size("per_page")
    page = records.window((number - 1) * size, size, positional=True)
    rows = exchange.rendered("xml", records, page, lambda: xml_rows(records, page)).decode()
    more = "true" if page.more else "false"
    inner = f'<ListRecordsResponse xmlns="urn:sandbox">{rows}<more>{more}</more></ListRecordsResponse>'
    return Reply(body=(_ENVELOPE % inner).encode(), content_type="text/xml; charset=utf-8")


def _fault(code: str, text: str) -> Reply:
    inner = f"<soap:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring></soap:Fault>"
    return Reply(500, (_ENVELOPE % inner).encode(), "text/xml; charset=utf-8")


ROUTES = FAMILY.routes
