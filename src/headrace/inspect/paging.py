"""Paging in words: how a step finds its next page, and why it goes on or stops after one."""

from __future__ import annotations

from typing import Any

from headrace.core.paths import MISSING
from headrace.crawl.fetch import Fetched
from headrace.crawl.plan import CrawlPlan
from headrace.sources.decode import by_content_type


def style(plan: CrawlPlan) -> str:
    """``cursor (param: cursor, response_path: nextCursor)``: what the file says beyond the defaults."""
    told = plan.paginator.model_dump(by_alias=True, exclude_defaults=True, exclude={"type"})
    if "param" in type(plan.paginator).model_fields:
        told = {"param": getattr(plan.paginator, "param", None), **told}
    told = {name: value for name, value in told.items() if value is not None}
    kind = getattr(plan.paginator, "type", "none")
    return kind + (f" ({', '.join(f'{name}: {value}' for name, value in told.items())})" if told else "")


def why_on(plan: CrawlPlan, fetched: Fetched) -> str:
    """What the page said that makes paging go on or stop."""
    assert fetched.response is not None
    kind = getattr(plan.paginator, "type", "none")
    decoder = plan.decoder or by_content_type(fetched.response)
    wants = plan.paginator.wants()
    values = decoder.open(fetched.response, plan.data_path, wants).values
    said = [f"{path} is {_short(values.get(path, MISSING))}" for path in wants]
    total = fetched.at.memo.get("total")
    if total is not None:
        said.append(f"{fetched.count:,} of {total:,} records seen")
    if kind == "none":
        said.append("pagination is none: one page is all")
    elif kind == "link" and not wants:
        said.append(f"the Link header has {'a' if not fetched.at.done else 'no'} next page")
    elif kind in ("page", "offset") and not said:
        said.append("the page is empty" if not fetched.count else "the page has records: the end is an empty page")
    return "; ".join(said)


def _short(value: Any) -> str:
    if value is MISSING:
        return "absent"
    if value is None:
        return "null"
    if value is True or value is False:
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
