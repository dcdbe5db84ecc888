"""What a database counts as removed, beside the truth, as one history goes on."""

from __future__ import annotations

import json
from collections import Counter

from headrace.core.contracts import Session
from headrace.testing.churn.api import MISTAKE, Api
from headrace.testing.churn.history import TABLE, History
from headrace.testing.churn.run import Run
from headrace.testing.churn.truth import Truth
from headrace.testing.destination.read import fetch


class Comparison:
    """Learns what each run was given, and keeps every difference in ``violations``.

    ``right``, ``wrong`` and ``lost`` add up the rows over all looks: removed and gone, removed and there, gone and not
    removed."""

    def __init__(self, history: History, api: Api, session: Session, counts: Counter[str]) -> None:
        self._history = history
        self._api = api
        self._session = session
        self._truth = Truth(history.removed_after, history.max_share)
        self._removed: set[int] = set()
        self.counts = counts
        self.right = self.wrong = self.lost = 0
        self.violations: list[str] = []

    def take_in(self, run: Run) -> None:
        """What the last call of ``run`` was given, as the archive has it byte for byte."""
        for page in self._session.raw_pages("pages", run_id=run.run_id):
            if (page.slice, page.page_number) in run.pages:
                continue
            run.pages.add((page.slice, page.page_number))
            items = json.loads(page.body)["items"]
            stored = {item["id"] for item in items if item["v"] != MISTAKE}
            run.given |= {item["id"] for item in items}
            run.unsure = run.unsure or any(item["v"] == MISTAKE for item in items)
            run.stored |= stored
            self._truth.given(run.scope, stored, page.fetched_at)

    def complete(self, run: Run) -> None:
        """``run`` is done: the records that it did not see may be gone, or be held back."""
        self._check_given(run)
        held = self._truth.complete(run.scope, run.stored, run.began, unsure=run.unsure)
        self.counts["held"] += bool(held)
        found = [
            each.status for each in self._session.removals() if (each.run_id, each.scope) == (run.run_id, run.scope)
        ]
        if bool(held) != (found == ["held"]):
            self.violations.append(f"{run.run_id}: held back should be {sorted(held)}, the database says {found}")

    def confirm(self, run: Run) -> None:
        """A person says that what ``run`` did not see is gone."""
        self._truth.confirm(run.scope, run.stored, run.began)

    def _check_given(self, run: Run) -> None:
        """What did not change while a crawl in order of keys went on, it was given; what was not there, it was not."""
        api, records = self._api, self._api.records
        if not self._history.ordered or run.misled:
            return
        listed = set(records.listed(self._history.scopes[run.scope]))
        began = (run.began - api.now()) // 1000 + records.clock
        for id, since in records.since.items():
            if since < began and (id in run.given) != (id in listed):
                self.violations.append(f"{run.run_id}: record {id} was given: {id in run.given}, there: {id in listed}")

    def look(self) -> None:
        """Compare what counts as removed now."""
        if not self._session.columns(TABLE):
            return
        marked = {row[0] for row in fetch(self._session, f"SELECT id FROM {TABLE}_removed")}
        if self._history.write == "scd2":
            valid = {row[0] for row in fetch(self._session, f"SELECT id FROM {TABLE} WHERE valid_to IS NULL")}
            if valid & marked:
                self.violations.append(f"removed, and yet valid: {sorted(valid & marked)}")
        gone = self._truth.removed()
        self.right += len(marked & gone)
        self.wrong += len(marked - gone)
        self.lost += len(gone - marked)
        self.counts["reappeared"] += len(self._removed - marked)
        self.counts["removed"] += len(marked - self._removed)
        self._removed = marked
        if marked != gone:
            self.violations.append(
                f"removed, and is not: {sorted(marked - gone)}; is, and not removed: {sorted(gone - marked)}"
            )
