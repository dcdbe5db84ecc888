"""From the configuration of an extract step to what the crawl does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from headrace.core.contracts import Auth, Paginator, Session
from headrace.core.errors import InputError
from headrace.core.http import Request
from headrace.core.params import resolve_params
from headrace.core.paths import parse
from headrace.core.tables import SliceState
from headrace.core.templates import Lookup, as_text, render, render_tree
from headrace.crawl import slices
from headrace.crawl.plan import CrawlPlan, IncrementalPlan, SlicePlan
from headrace.mapping.spec import legacy_table
from headrace.sources.auth._credential import WithCredential
from headrace.sources.paginate.none import SinglePage
from headrace.steps.generic.api_extractor import ApiExtractor, Slices

_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> int:
    """``36h`` in seconds."""
    return int(text[:-1]) * _UNIT[text[-1]]


def make_plan(config: ApiExtractor, step: str, title: str, lookup: Lookup) -> CrawlPlan:
    """Fill in every default. ``lookup`` resolves what is known before slices are."""
    paginator: Paginator = config.pagination or SinglePage(type="none")
    url = config.base_url + config.url if config.url.startswith("/") else config.url
    raw = config.raw or None
    error_path = config.error_path or ("errors" if config.graphql is not None else None)
    return CrawlPlan(
        step=step,
        title=title,
        request=_request_maker(config, url),
        paginator=paginator,
        data_path=parse(config.data_path),
        tables=config.tables or [legacy_table(_target(config), config.transform)],
        host=urlsplit(url).netloc.rpartition("@")[2],
        auth=_auth(config.auth, lookup),
        decoder=config.decode,
        error_path=parse(error_path) if error_path is not None else None,
        ok_path=parse(config.ok_path) if config.ok_path is not None else None,
        end_on=frozenset(config.end_on),
        rate_limit=config.rate_limit,
        origins=frozenset(config.allowed_hosts),
        raw_table=(raw.table or f"{step}_raw_pages") if raw else None,
        compression=raw.compression if raw else "zstd",
        slices=_slice_plan(config.slices, lookup, step) if config.slices is not None else None,
        incremental=_incremental(config, lookup),
        max_pages=config.max_pages,
        commit_every=config.commit_every,
        max_rejected=config.max_rejected,
        removed_after=2 if getattr(paginator, "type", "none") in ("page", "offset") else 1,
    )


def _auth(auth: Auth | None, lookup: Lookup) -> Auth | None:
    reference = auth.credential().reference if isinstance(auth, WithCredential) else None
    return auth.model_copy(update={"secret_ref": as_text(render(reference, lookup))}) if auth and reference else auth


def _target(config: ApiExtractor) -> Any:
    assert config.destination is not None  # the model's own rule
    return config.destination


def _request_maker(config: ApiExtractor, url: str) -> Callable[[Lookup], Request]:
    method = config.method or ("POST" if config.graphql or config.soap or config.body else "GET")
    safe = config.safe if config.safe is not None else method == "GET" or bool(config.graphql or config.soap)

    def make(lookup: Lookup) -> Request:
        request = Request(
            method=method,
            url=as_text(render(url, lookup)),
            params=resolve_params(config.params, lookup, config.repeat_params),
            headers=tuple((name, as_text(render_tree(value, lookup))) for name, value in config.headers.items()),
            timeout=config.timeout,
            safe=safe,
        )
        host = urlsplit(request.url).netloc
        if "@" in host:
            raise InputError(
                f"the url of {host.rpartition('@')[2]} carries a user name",
                hint="write the credential under auth: {type: basic, provider: NAME}",
                place="url",
            )
        if not re.match(r"https?://[^/]", request.url):
            raise InputError(
                f"the url {request.url!r} is not an http address",
                hint="write the whole address, or a path that starts with / and a base_url",
                place="url",
            )
        if config.incremental is not None and (mark := lookup("incremental.mark")) is not None:
            request = request.with_params([(config.incremental.param, as_text(mark))])
        if config.incremental is not None and config.incremental.until is not None:
            end = lookup("incremental.until")
            request = request if end is None else request.with_params([(config.incremental.until, as_text(end))])
        return _with_body(config, request, lookup)

    return make


def _with_body(config: ApiExtractor, request: Request, lookup: Lookup) -> Request:
    from dataclasses import replace

    if config.graphql is not None:
        return replace(
            request,
            json={"query": config.graphql.query, "variables": render_tree(config.graphql.variables, lookup)},
        )
    if config.soap is not None:
        kind = {
            "1.1": "text/xml; charset=utf-8",
            "1.2": f'application/soap+xml; charset=utf-8; action="{config.soap.action}"',
        }
        headers = [("Content-Type", kind[config.soap.version])]
        if config.soap.version == "1.1":
            headers.append(("SOAPAction", f'"{config.soap.action}"'))
        return replace(request.with_headers(headers), text=as_text(render(config.soap.envelope, lookup)))
    if config.body is not None:
        if config.body.form is not None:
            return replace(request, form=resolve_params(config.body.form, lookup, ()))
        if config.body.text is not None:
            return replace(request, text=as_text(render(config.body.text, lookup)))
        return replace(request, json=render_tree(config.body.json_, lookup))
    return request


def _incremental(config: ApiExtractor, lookup: Lookup) -> IncrementalPlan | None:
    rule = config.incremental
    if rule is None:
        return None
    lookback = seconds(rule.lookback) if rule.lookback else 0
    return IncrementalPlan(rule.param, parse(rule.cursor_path), render_tree(rule.start, lookup), lookback)


def _slice_plan(config: Slices, lookup: Lookup, step: str) -> SlicePlan:
    def freeze(session: Session) -> Iterable[SliceState]:
        if config.each is not None:
            values = {name: render_tree(given, lookup) for name, given in config.each.items()}
            return slices.each({n: v if isinstance(v, list) else str(v).split(",") for n, v in values.items()})
        if config.dates is not None:
            place = f"step {step}, slices.dates"
            start = slices.parse_date(render(config.dates.from_, lookup), place=f"{place}.from")
            end = slices.parse_date(render(config.dates.to, lookup), place=f"{place}.to")
            return slices.dates(start, end, config.dates.step)
        assert config.rows is not None
        sql, bound = bind(config.rows, lookup)
        return slices.rows(session, sql, bound)

    return SlicePlan(freeze, config.concurrency, config.retry)


_LITERAL = re.compile(r"'\{([A-Za-z_][\w.-]*)\}'|\{([A-Za-z_][\w.-]*)\}")


def bind(sql: str, lookup: Lookup) -> tuple[str, list[Any]]:
    """Bind ``'{name}'`` and ``{name}`` as values: never put into the text."""
    bound: list[Any] = []

    def hole(match: re.Match[str]) -> str:
        bound.append(lookup(match.group(1) or match.group(2)))
        return "?"

    return _LITERAL.sub(hole, sql), bound
