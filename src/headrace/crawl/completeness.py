"""Whether a crawl saw everything: what the truncation sentinel adds up at the end of a step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.crawl.context import LastComplete
from headrace.crawl.plan import CrawlResult

if TYPE_CHECKING:
    from headrace.crawl.fetch import Ended

_WHY: dict[Ended, str] = {
    "capped": "max_pages was reached",
    "paused": "the page limit of this call was reached",
    "budget": "the request budget is used up",
}


def collapse(records: int, last: LastComplete | None) -> tuple[str, str] | None:
    """Nothing where the last complete crawl of this scope found something."""
    if records or last is None or not last.rows:
        return None
    return (
        f"no record at all, where run {last.run_id} found {last.rows:,}",
        "if the API really is empty now, accept the run: headrace accept RUN_ID",
    )


def reported_error(members: Mapping[str, Any]) -> tuple[str, str] | None:
    """The members of a last answer that has no record: whether one of them says that something failed."""
    for name, value in members.items():
        if name.lower() not in ("error", "errors") or not value or value in ("none", "null"):
            continue
        if isinstance(value, dict) and value.get("code", 1) in (0, "0", None):
            continue  # some say in every answer that nothing failed
        return (
            f"the last answer has no record, and '{name}' in it says {str(value)[:200]}",
            f"error_path: {name}; if it is no error, accept the run: headrace accept RUN_ID",
        )
    return None


def verdict(ended: Collection[Ended], failed_slices: int, suspicions: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """(status, why). Failure outranks interruption, that a pause, that a suspicion."""
    if failed_slices:
        return "failed", f"{failed_slices} slices failed; `headrace resume` tries them alone"
    if "stopped" in ended:
        return "interrupted", "stopped on request"
    for reason in ("budget", "capped", "paused"):
        if reason in ended:
            return "partial", _WHY[reason]
    if suspicions:
        return "suspect", suspicions[0][0]
    return "done", ""


__all__ = ["CrawlResult", "collapse", "reported_error", "verdict"]
