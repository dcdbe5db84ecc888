"""DuckDB: one file, held by one process at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from headrace.core.contracts import Capabilities, Destination
from headrace.core.errors import CannotOpen, CommitUnknown, DestinationBusy, UsageError
from headrace.core.types import ColumnType
from headrace.destinations._connection import STAGE, Connection, Row
from headrace.destinations._duckdb_file import CONFIG, connect, name_of
from headrace.destinations._layout import SEEN_COLUMNS
from headrace.destinations._room import CHANGING, Room
from headrace.destinations._shared import SharedFile, shared
from headrace.destinations._sql import quote
from headrace.destinations._url import MEMORY, file_of, same_file, url_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from headrace.destinations._session import SqlSession

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES: Mapping[ColumnType, str] = {
    "untyped": "VARCHAR", "bool": "BOOLEAN", "int": "BIGINT", "bigint": "BIGINT", "decimal": "DECIMAL(38,9)",
    "float": "DOUBLE", "string": "VARCHAR", "json": "JSON", "timestamp": "TIMESTAMP WITH TIME ZONE", "date": "DATE",
    "binary": "BLOB",
}  # fmt: skip
_READ: Mapping[str, ColumnType] = {
    "BOOLEAN": "bool", "TINYINT": "bigint", "SMALLINT": "bigint", "INTEGER": "bigint", "BIGINT": "bigint",
    "DECIMAL(38,9)": "decimal", "FLOAT": "float", "DOUBLE": "float", "JSON": "json",
    "TIMESTAMP WITH TIME ZONE": "timestamp", "DATE": "date", "BLOB": "binary",
}  # fmt: skip
MEASURING = 4096
"""MB: enough to look at the last bodies of an archive, however long they are."""
MOST = 16_384
"""MB at which a commit is given up for want of memory."""
_SEEN_TABLE = tuple(name for name in SEEN_COLUMNS if name != "_sighting")
_ROWS = "headrace_rows"
"""The temporary relation that holds plain rows on their way in."""
_FEW = 50
"""Plain rows up to which a statement with their values is cheaper than a relation."""


class DuckDBConnection(Connection):
    """One connection; rows come in as registered Arrow tables."""

    dialect: ClassVar[str] = "duckdb"
    unique_keys: ClassVar[bool] = False
    sole: ClassVar[bool] = True
    seen_is_view: ClassVar[bool] = True

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        super().__init__()
        self.path, self.read_only = path, read_only
        self.connection: duckdb.DuckDBPyConnection
        self._room: Room
        self._given: int
        self._logged = 0
        """Bytes of the log after the last commit."""
        self.readers = 0
        """Queries that are still being read; they keep the file open."""
        self._file = SharedFile(path) if path == MEMORY else shared(same_file(path))
        self._writing = False
        self._archives: set[str] = set()
        """Archives that were found to have rows, or made anew for bodies that are packed: to try and compress those
        again is most of what a checkpoint costs, and gains nothing."""
        self._alone = False
        """Statements have no other thread to work on."""
        self._open()

    def execute(self, sql: str, params: Sequence[Any]) -> list[Row]:
        return self.connection.execute(sql, list(params)).fetchall()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert plain rows; many come in as Arrow, a fortieth of what as many parameters cost."""
        if len(rows) <= _FEW:
            super().insert(table, columns, rows)
            return
        import pyarrow as pa

        names = ", ".join(quote(column) for column in columns)
        self.connection.register(
            _ROWS, pa.table(dict(zip(columns, map(pa.array, zip(*rows, strict=True)), strict=True)))
        )
        try:
            self.run(f"INSERT INTO {quote(table)} ({names}) SELECT {names} FROM {_ROWS}")
        finally:
            self.connection.unregister(_ROWS)

    def begin(self) -> None:
        if not self._file.take(self):
            self.left.forget()
        self._writing = True
        try:
            self.connection.execute("BEGIN")
        except BaseException:
            self._written()
            raise

    def _written(self) -> None:
        if self._writing:
            if not self._file.alone:  # whoever only reads would be left with one thread
                self._together()
            self._writing = False
            self._file.give()

    def commit(self) -> None:
        import duckdb

        try:
            self.connection.execute("COMMIT")
            self._look_at_log()
        except duckdb.FatalException as error:  # the checkpoint that follows some commits failed, not the commit
            raise CommitUnknown(
                f"the file could not be written on: {str(error).strip().splitlines()[0]}", place=self.path,
                hint="run it again: it goes on from what was committed",
            ) from error  # fmt: skip
        finally:
            self._written()

    def _look_at_log(self) -> None:
        """A log that is shorter than it was has been replaced by a checkpoint."""
        try:
            size = Path(f"{self.path}.wal").stat().st_size
        except OSError:
            size = 0
        if size < self._logged:
            self._room.sealed()
        self._logged = size

    def rollback(self) -> None:
        self.sightings.clear()
        self._archives.clear()
        self.left.forget()
        with suppress(Exception):
            self.connection.execute("ROLLBACK")
        with suppress(Exception):
            self.connection.unregister(STAGE)
        if self._short_of_memory(sys.exc_info()[1]):  # said before the next one writes
            self._file.spoil(2 * self._room.megabytes)
        self._written()

    def close(self) -> None:
        self.connection.close()
        self._file.leave(self)
        self._written()

    def vacuum(self, own: Sequence[str], shared: Sequence[str]) -> None:
        """DuckDB never shrinks a file: it is copied."""
        if self.path == MEMORY:
            return
        if self.readers:
            raise DestinationBusy(f"{self.path}: the result of a query is still being read", hint="vacuum when it is")
        from headrace.destinations._compact import compact

        self.connection.close()
        try:
            compact(Path(self.path), CONFIG)
        finally:
            self._open()

    def sql_type(self, type: ColumnType) -> str:
        return _TYPES[type]

    def read_type(self, sql_type: str) -> ColumnType:
        return _READ.get(sql_type, "string")

    def time(self, micros: int | None) -> Any:
        return None if micros is None else _EPOCH + timedelta(microseconds=micros)

    def micros(self, value: Any) -> int | None:
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def physical(self, table: str) -> dict[str, str]:
        return {str(name): str(type) for name, type in self.do("physical", (table,))}

    def stage(self, rows: pa.Table, types: Mapping[str, ColumnType]) -> None:
        import pyarrow as pa

        marked: Any = pa.json_()
        for at, name in enumerate(rows.column_names):
            if types.get(name) == "json":  # marked as JSON, it is not parsed again on its way in
                parts = [pa.ExtensionArray.from_storage(marked, part.cast(pa.string()))
                         for part in rows.column(name).chunks]  # fmt: skip
                rows = rows.set_column(at, pa.field(name, marked), pa.chunked_array(parts, marked))
        self.connection.register(STAGE, rows)

    def will_write(self, table: str, rows: pa.Table) -> None:
        if "response_blob" in rows.column_names and table not in self._archives:
            self._archives.add(table)
            if set(rows.column("encoding").to_pylist()) == {"zstd"} and not self.do("raw_any", table=quote(table)):
                self.do("drop_table", table=quote(table))
                self.do("create_raw", table=quote(table), stored=" USING COMPRESSION uncompressed")
        self._room.group(rows.nbytes)
        for name in rows.column_names:
            self._room.write(table, name, rows.num_rows, rows.column(name).nbytes)
        self._make_room()

    def will_append(self) -> None:
        """On this thread alone: with others DuckDB gathers whole batches before it writes them, and where they do not
        fit into its memory, writes them twice. It stays so until something else is done: whenever their number changes,
        DuckDB gives all the memory back that it and Arrow have let go, and the next commit asks for it page by page."""
        if not self._alone:
            self.connection.execute("SET threads = 1")
            self._alone = True

    @contextmanager
    def selecting(self) -> Iterator[None]:
        self._together()
        yield

    def _together(self) -> None:
        """On as many threads as there are processors."""
        if self._alone:
            self._alone = False
            with suppress(Exception):  # of a file that has to be opened anew
                self.connection.execute("RESET threads")

    def will_change(self) -> None:
        self._together()
        self._room.change()
        self._make_room()

    def more_room(self, error: BaseException) -> bool:
        if not self._short_of_memory(error) or self.readers or self.path == MEMORY:
            return False
        if not self._file.alone:
            raise DestinationBusy(
                f"{self.path}: the memory for what all runs of this process write there did not do",
                hint="run it again: it goes on from what was committed, with more",
            ) from error
        self._room.short()
        enough = self._room.megabytes
        self.connection.close()  # what a deletion that ran out of memory has marked, no ROLLBACK finds again
        self._open()
        self._room.megabytes = max(enough, self._room.megabytes)
        self._make_room()
        return True

    def _short_of_memory(self, error: BaseException | None) -> bool:
        import duckdb

        return isinstance(error, duckdb.OutOfMemoryException) and self._room.megabytes < MOST

    def will_read(self, size: int) -> None:
        self._room.read(size)
        self._make_room()

    def _make_room(self) -> None:
        wanted = self._file.memory(self, self._room.megabytes)
        if wanted != self._given or not self._file.alone:
            self._given = wanted
            with suppress(Exception):  # less than what is in use just now: the next commit tries again
                self.connection.execute(f"SET memory_limit = '{self._given}MB'")
                return
            self._given = 0

    def _open(self) -> None:
        self._room, self._given = Room(), CHANGING
        self.left.forget()
        self.connection = self._file.open(self, self.read_only, lambda read_only: connect(self.path, read_only))
        try:
            self._measure()
            if not self.read_only:
                self._split_seen()
        except BaseException:
            self.close()
            raise

    def _split_seen(self) -> None:
        """Files of an earlier version have ``<table>_seen`` as one table, in which each row repeats what it shares."""
        import duckdb

        for table, columns in self.do("seen_tables"):
            if not set(_SEEN_TABLE) <= set(columns):
                continue
            keys = ", ".join(f"s.{quote(name)}" for name in columns if name not in _SEEN_TABLE)
            sighted = f"{str(table).removesuffix('_seen')}_sighted"
            parts = {"seen": quote(str(table)), "sighted": quote(sighted), "keys": keys}
            try:
                with self.transaction():
                    self.will_append()
                    for statement in ("create_sightings", "move_seen", "add_sightings", "split_seen", "drop_moves"):
                        self.do(statement, **parts)
                    if self.do("count_lost", **parts) != [(0,)]:
                        raise CannotOpen(f"{self.path} is of an earlier version, and {table} would lose rows")
                    self.do("strict_seen", **parts)
                    self.do("drop_table", table=parts["seen"])
                    self.do("create_seen_view", **parts)
            except duckdb.Error as error:
                raise CannotOpen(
                    f"{self.path} is of an earlier version, and {table} could not be split: {str(error).strip()}"
                ) from error

    def _measure(self) -> None:
        """As much as it needs before anything is written."""
        self._set_memory(CHANGING)
        archives = [] if self.read_only else [str(table) for (table,) in self.do("raw_tables")]
        if not archives:
            return
        self._set_memory(MEASURING)
        for table in archives:
            rows, size = self.do("raw_end", table=quote(table))[0]
            self._room.write(table, "response_blob", int(rows), int(size))
        self._set_memory(max(CHANGING, self._room.megabytes))  # until the first commit: a purge changes rows as well

    def _set_memory(self, megabytes: int) -> None:
        self._given = self._file.memory(self, megabytes)
        self.connection.execute(f"SET memory_limit = '{self._given}MB'")

    def unstage(self) -> None:
        self.connection.unregister(STAGE)

    def restage(self, sql: str) -> None:
        kept = self.connection.sql(sql).to_arrow_table()
        self.unstage()
        self.connection.register(STAGE, kept)

    def is_data_error(self, error: BaseException) -> bool:
        import duckdb

        kinds = (duckdb.DataError, duckdb.IntegrityError, duckdb.InvalidInputException, UnicodeError)
        return isinstance(error, kinds)

    @contextmanager
    def views_aside(self, table: str) -> Iterator[None]:
        """A view remembers the types of its columns, and refuses to work when they change."""
        yield
        touched = {table.lower()}
        for view, sql in self.do("user_views"):
            if any(name in sql.lower() for name in touched):
                touched.add(view.lower())
                with suppress(Exception):  # it may have been broken before
                    self.run(f"DROP VIEW {quote(view)}")
                    self.run(sql)

    def query(self, sql: str, params: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        import duckdb

        try:
            found = duckdb.extract_statements(sql)
        except duckdb.Error as error:
            raise UsageError(str(error).strip()) from error
        if len(found) != 1 or found[0].type != duckdb.StatementType.SELECT:
            raise UsageError("a query is one SELECT statement", hint="tables are changed by pipelines only")
        return self._stream(sql, params)

    def _stream(self, sql: str, params: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        import duckdb

        self._together()
        self.readers += 1
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(f"USE {quote(name_of(self.path))}")
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                yield from cursor.sql(sql, params=list(params)).to_arrow_reader(10_000)
        except duckdb.Error as error:
            raise UsageError(str(error).strip()) from error
        finally:
            self.readers -= 1


class DuckDBDestination(Destination):
    """A DuckDB file."""

    type: Literal["duckdb"] = "duckdb"
    path: str = "headrace.duckdb"
    """The file, relative to the working directory, or ``:memory:``."""

    @classmethod
    def from_url(cls, url: str) -> DuckDBDestination:
        return cls(path=file_of(url))

    @property
    def url(self) -> str:
        return url_of("duckdb", self.path)

    def capabilities(self) -> Capabilities:
        return Capabilities(sql="duckdb")

    @contextmanager
    def open(self, *, read_only: bool = False) -> Iterator[SqlSession]:
        from headrace.destinations._session import SqlSession

        db = DuckDBConnection(self.path, read_only=read_only and self.path != MEMORY)
        try:
            yield SqlSession(db, same_file(self.path))
        finally:
            db.close()
