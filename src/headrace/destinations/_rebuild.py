"""Tables rebuilt beside the old ones and exchanged at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.core.tables import TableSpec
from headrace.destinations._connection import Connection
from headrace.destinations._layout import Layout
from headrace.destinations._sql import fit, quote
from headrace.destinations._staging import Staging

if TYPE_CHECKING:
    from headrace.destinations._session import SqlSession


@contextmanager
def rebuild(session: SqlSession, tables: Sequence[TableSpec]) -> Iterator[SqlSession]:
    """A session that writes ``tables`` under other names, which take their places on a clean exit."""
    db = session.db
    inner = session.beside(lambda spec: Layout(spec, fit(f"{spec.name}_rebuild", db.max_name), db.max_name))
    drafts = [inner.new_layout(spec) for spec in tables]
    with session.transaction("clearing an earlier rebuild"):
        _drop(session, drafts)
    inner.prepare(tables, ())
    try:
        yield inner
    except BaseException:
        with session.transaction("dropping the rebuilt tables"):
            _drop(session, drafts)
        raise
    with session.transaction("exchanging the rebuilt tables"):
        db.lock_schema()
        staging = Staging(db, session.tables)
        for draft in drafts:
            target = session.new_layout(draft.spec)
            if draft.spec.write == "sync":
                staging.move(draft, target)
            else:
                staging.discard(draft)
            types = session.tables.types([draft.name])[draft.name]
            with db.views_aside(target.name):
                session.tables.drop_views(draft)
                session.tables.drop_views(target)
                for new, old in zip(_parts(db, draft), _parts(db, target), strict=True):
                    db.do("drop_table", table=quote(old))
                    db.do("rename_table", table=quote(new), new=quote(old))
                db.do("schema_forget", (target.name,))
                db.do("schema_rename", (target.name, draft.name))
                session.tables.create_views(target, types)
            session.keep_spec(draft.spec)


def _parts(db: Connection, layout: Layout) -> list[str]:
    parts = [layout.name, layout.rejected]
    if layout.has_seen:
        parts.append(layout.sighted if db.seen_is_view else layout.seen)
    if layout.spec.write == "sync":
        parts.append(layout.sync_staging)
    return parts


def _drop(session: SqlSession, drafts: Sequence[Layout]) -> None:
    for draft in drafts:
        session.tables.drop_views(draft)
        if session.db.physical("headrace_staging"):
            Staging(session.db, session.tables).discard(draft)
        for name in _parts(session.db, draft):
            session.db.do("drop_table", table=quote(name))
        if session.db.physical("headrace_schemas"):
            session.db.do("schema_forget", (draft.name,))
