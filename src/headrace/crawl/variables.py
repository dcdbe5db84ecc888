"""The variables that a crawl adds to those of its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.core.templates import Lookup
from headrace.crawl import marks
from headrace.crawl.context import LastComplete
from headrace.crawl.plan import IncrementalPlan


def with_slice(lookup: Lookup, params: Mapping[str, Any]) -> Lookup:
    """``{slice.…}``: what a slice gives to its requests."""
    found = PageLookup(lookup)
    found.slice = params
    return found


def with_mark(plan: IncrementalPlan | None, lookup: Lookup, last: LastComplete | None) -> Lookup:
    """``{incremental.mark}``: where the last complete crawl ended, looked back from."""
    if plan is None:
        return lookup
    mark = plan.start
    if last is not None and last.mark is not None:
        mark = marks.look_back(last.mark, plan.lookback)
    given = {"incremental.mark": mark, "incremental.until": None}
    return lambda name: given[name] if name in given else lookup(name)


def with_window(
    plan: IncrementalPlan | None, lookup: Lookup, params: Mapping[str, Any], last: LastComplete | None
) -> Lookup:
    """``{incremental.mark}`` and ``{incremental.until}`` of a window of time, in the form that marks have."""
    if plan is None:
        return lookup
    like = last.mark if last is not None and last.mark is not None else plan.start
    given = {
        "incremental.mark": marks.in_form_of(like, params["start"], params["start_unix"]),
        "incremental.until": marks.in_form_of(like, params["end"], params["end_unix"]),
    }
    return lambda name: given[name] if name in given else lookup(name)


class PageLookup:
    """The variables of the page being mapped: those of the run, and ``{slice.…}`` of its slice."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.slice: Mapping[str, Any] = {}
        self.by_slice = False
        """A variable of the slice was asked for: what is made of a page depends on it."""

    def __call__(self, name: str) -> Any:
        if name.startswith("slice.") and name[6:] in self.slice:
            self.by_slice = True
            return self.slice[name[6:]]
        return self._lookup(name)
