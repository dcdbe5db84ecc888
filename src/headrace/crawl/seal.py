"""What remains of a fetched page on its way to the writer: its records, and its answer as the archive keeps it."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

from headrace.core.http import Response
from headrace.core.tables import Packed, RawPage
from headrace.crawl.fetch import Fetched
from headrace.crawl.plan import CrawlPlan

_KEPT_HEADERS = frozenset(
    {
        "content-type", "content-language", "date", "etag", "last-modified", "link", "retry-after", "server",
        "x-request-id", "x-total-count", "x-total", "x-page", "x-next-page", "x-per-page",
    }
)  # fmt: skip
_KEPT_PREFIXES = ("x-ratelimit", "ratelimit")


def seal(page: Fetched, plan: CrawlPlan) -> Fetched:
    """The page without its body, which is several times as long as the packed one that the archive gets."""
    response = page.response
    if response is None:
        return page
    raw = _raw_page(plan, page, response) if plan.raw_table is not None else None
    size = page.size + len(page.records)
    if raw is not None:
        size += len(raw.body) + (len(raw.packed.data) if raw.packed is not None else 0)
    return replace(page, raw=raw, response=replace(response, body=b"", packed=None), size=size)


def _raw_page(plan: CrawlPlan, page: Fetched, response: Response) -> RawPage:
    key, body, packed = page.at.key, response.body, None
    if plan.compression == "zstd" and response.packed is not None:
        body, packed = b"", Packed(response.packed, len(body), sha256(body).hexdigest())
    kept = [[n, v] for n, v in response.headers if n in _KEPT_HEADERS or n.startswith(_KEPT_PREFIXES)]
    return RawPage(
        table=plan.raw_table or "",
        run_id=key.run_id,
        step=key.step,
        slice=key.slice,
        page_number=page.at.page_number,
        page_id=page.page_id,
        fetched_at=page.stamp,
        url=response.url,
        status=response.status,
        headers=json.dumps(kept),
        body=body,
        masked=response.masked,
        compression=plan.compression,
        packed=packed,
    )
