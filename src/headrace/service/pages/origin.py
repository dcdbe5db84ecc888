"""The answer behind a row: as much of it as a person can read, with the record's bytes marked."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.inspect.why import Why

AROUND = 1_500
"""Bytes of the answer that are shown before and after the record."""
RECORD = 20_000
"""Bytes of the record that are shown."""


@dataclass(frozen=True, slots=True)
class OriginView:
    """The three texts are parts of the answer, one after the other; the ``cut_…`` count the bytes that are left out.
    ``verbatim``: the record stands in the answer as it is shown. Times are microseconds since 1970 UTC."""

    url: str
    status: int
    size: int
    fetched_at: int
    run_id: str
    known: bool
    step: str
    slice: str
    page: int
    record: int
    older: int
    before: str
    bytes: str
    after: str
    cut_before: int
    cut_record: int
    cut_after: int
    verbatim: bool


def origin_view(found: Why) -> OriginView:
    """At most :data:`RECORD` and twice :data:`AROUND` bytes of the answer."""
    body, page = found.page.body, found.page
    before, after, cut_before, cut_after = b"", b"", 0, 0
    if found.start is not None:
        end = found.start + len(found.bytes)
        begin = max(0, found.start - AROUND)
        before, after = body[begin : found.start], body[end : end + AROUND]
        cut_before, cut_after = begin, max(0, len(body) - end - AROUND)
    shown = found.bytes[:RECORD]
    return OriginView(
        url=page.url,
        status=page.status,
        size=len(body),
        fetched_at=page.fetched_at,
        run_id=page.run_id,
        known=found.run is not None,
        step=page.step,
        slice=page.slice,
        page=page.page_number,
        record=found.record,
        older=found.older,
        before=_text(before),
        bytes=_text(shown),
        after=_text(after) if len(shown) == len(found.bytes) else "",
        cut_before=cut_before,
        cut_record=len(found.bytes) - len(shown),
        cut_after=cut_after,
        verbatim=found.start is not None,
    )


def _text(piece: bytes) -> str:
    """``piece`` as text; characters that its ends cut through are left out."""
    start = 0
    while start < min(3, len(piece)) and piece[start] & 0xC0 == 0x80:
        start += 1
    text = piece[start:].decode("utf-8", "replace")
    return text[:-1] if text.endswith("\ufffd") else text
