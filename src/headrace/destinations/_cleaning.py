"""What a person decides about old rows: removals held back, purging, giving bytes back."""

from __future__ import annotations

from headrace.core.errors import DestinationError, HeadraceError, UsageError
from headrace.core.tables import Removals
from headrace.destinations._layout import load_spec
from headrace.destinations._runs import Runs
from headrace.destinations._sql import quote
from headrace.destinations._staging import Staging
from headrace.destinations._tables import ENGINE_TABLES, removed_condition, seen_parts


class Cleaning(Runs):
    """The upkeep of a session's tables."""

    def removals(self, *, table: str | None = None) -> list[Removals]:
        from headrace.destinations._finish import removals_of

        rows = self._optional("headrace_removals", "removals_read", (table or "", table is None))
        return [removals_of(self.db, row) for row in rows]

    def decide_removals(self, table: str, run_id: str, *, confirm: bool) -> int:
        from headrace.destinations._finish import first_page_of, mark_removed

        held = self.db.do("removals_held", (table, run_id))
        if not held:
            raise UsageError(
                f"nothing of run {run_id} is held back for table {table}", hint="headrace removals list shows what is"
            )
        concerned = 0
        with self.transaction("deciding removals"):
            layout = self._layout(table)
            for scope, missing, after, found_at in held:
                if confirm:
                    began = first_page_of(self.db, run_id)
                    known = self.db.do("count_missing", (run_id, began, after, scope), seen=quote(layout.seen))
                    concerned += int(known[0][1])
                    mark_removed(self.db, layout, scope, run_id, after, self.db.micros(found_at) or 0)
                else:
                    concerned += missing
                self.db.do("removals_decide", ("confirmed" if confirm else "rejected", table, run_id, scope))
        return concerned

    def purge(self, *, table: str, before: int | None = None, run_id: str | None = None, removed: bool = False) -> int:
        columns = self.db.physical(table)
        if not columns:
            raise UsageError(f"there is no table {table} to purge")
        if removed:
            return self._purge_removed(table)
        if "response_blob" not in columns:
            raise UsageError(
                f"{table} is not an archive of raw pages", hint="removed=True deletes removed rows of a table"
            )
        conditions = {"fetched_at < ?": self.db.time(before), "run_id = ?": run_id}
        given = {text: value for text, value in conditions.items() if value is not None}
        where = {"table": quote(table), "condition": " AND ".join(given) or "1 = 1"}
        with self.transaction("purging"):
            count = int(self.db.do("count_raw_bodies", list(given.values()), **where)[0][0])
            self.db.do("raw_purge", list(given.values()), **where)
        return count

    def _purge_removed(self, table: str) -> int:
        layout = self._layout(table)
        if not layout.has_seen:
            raise UsageError(f"table {table} does not track which rows were removed")
        parts = {"table": quote(table), "removed": removed_condition(layout, present=False)}
        with self.transaction("purging"):
            count = int(self.db.do("count_removed_rows", **parts)[0][0])
            self.db.do("delete_removed_rows", **parts)
            self.db.do("delete_removed_seen", keys=layout.seen_keys, **seen_parts(layout))
        return count

    def vacuum(self) -> None:
        """Drop what was staged by runs that nobody will resume, and give deleted bytes back to the disk."""
        layouts = [self.new_layout(load_spec(text)) for (text,) in self._optional("headrace_tables", "specs_read", ())]
        with self.transaction("dropping staged rows"):
            for layout in layouts:
                Staging(self.db, self.tables).sweep(layout, self.resumable)
        companions = [name for each in layouts for name in (each.seen, each.rejected)]
        own = [f"headrace_{name}" for name in ENGINE_TABLES] + companions
        shared = [each.name for each in layouts]
        try:
            self.db.vacuum(*([name for name in names if self.db.physical(name)] for names in (own, shared)))
        except HeadraceError:
            raise
        except Exception as error:
            raise DestinationError(f"vacuum: {str(error).strip()}", place=self.place) from error
