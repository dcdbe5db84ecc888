"""SQLite: one file, many readers, one writer at a time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote as url_quote
from uuid import uuid4

from headrace.core.contracts import Capabilities, Destination
from headrace.core.errors import CannotOpen, DestinationBusy, UsageError
from headrace.core.types import ColumnType
from headrace.destinations._connection import STAGE, Connection, Row
from headrace.destinations._sql import quote
from headrace.destinations._url import MEMORY, file_of, same_file, url_of

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.destinations._session import SqlSession

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES: Mapping[ColumnType, str] = {
    "untyped": "TEXT", "bool": "INTEGER", "int": "INTEGER", "bigint": "INTEGER", "decimal": "TEXT", "float": "REAL",
    "string": "TEXT", "json": "TEXT", "timestamp": "TEXT", "date": "TEXT", "binary": "BLOB",
}  # fmt: skip
_READ: Mapping[str, ColumnType] = {"INTEGER": "bigint", "INT": "bigint", "REAL": "float", "BLOB": "binary"}
_BUSY_SECONDS = 30.0
_SETTINGS = (
    f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA legacy_alter_table = ON",
)
_DURABLE = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
"""FULL: WAL alone survives kill -9, but the last commits would not survive a power cut."""
_CHUNK = 10_000


def _converters() -> Mapping[ColumnType, Callable[[Any], Any]]:
    from headrace.destinations._rows import decimal_text, time_text

    return {"decimal": decimal_text, "timestamp": time_text, "date": lambda day: day and day.isoformat()}


class SQLiteConnection(Connection):
    """One connection; ``uri`` opens further ones to the same database."""

    dialect: ClassVar[str] = "sqlite"

    def __init__(self, uri: str) -> None:
        super().__init__()
        self.uri = uri
        self.connection = connect(uri)
        self.connection.create_function("float_text", 1, lambda value: None if value is None else repr(value))

    def twin(self) -> SQLiteConnection:
        return SQLiteConnection(self.uri)

    def execute(self, sql: str, params: Sequence[Any]) -> list[Row]:
        return self.connection.execute(sql, tuple(params)).fetchall()

    def begin(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        if self.connection.in_transaction:
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.connection.close()

    def sql_type(self, type: ColumnType) -> str:
        return _TYPES[type]

    def read_type(self, sql_type: str) -> ColumnType:
        return _READ.get(sql_type.upper(), "string")

    def time(self, micros: int | None) -> Any:
        from headrace.destinations._rows import time_text

        return None if micros is None else time_text(_EPOCH + timedelta(microseconds=micros))

    def micros(self, value: Any) -> int | None:
        if value is None:
            return None
        return (datetime.fromisoformat(value.replace("Z", "+00:00")) - _EPOCH) // timedelta(microseconds=1)

    def physical(self, table: str) -> dict[str, str]:
        return {str(name): str(type) for name, type in self.do("physical", (table,))}

    def differ(self, left: str, right: str) -> str:
        return f"{left} IS NOT {right}"

    def stage(self, rows: pa.Table, types: Mapping[str, ColumnType]) -> None:
        from headrace.destinations._rows import types_of

        converters = _converters()
        columns, lines = [], []
        for name, type in types_of(rows, types).items():
            values = rows.column(name).to_pylist()
            convert = converters.get(type)
            columns.append(values if convert is None else list(map(convert, values)))
            lines.append(f"{quote(name)} {_TYPES[type]}")
        self.run(f"CREATE TEMP TABLE {STAGE} ({', '.join(lines)}) STRICT")
        marks = ", ".join("?" * len(columns))
        if self.committing:
            from headrace.core import faults

            faults.point("commit.sql")
        self.connection.executemany(f"INSERT INTO {STAGE} VALUES ({marks})", zip(*columns, strict=True))

    def unstage(self) -> None:
        self.run(f"DROP TABLE {STAGE}")

    @contextmanager
    def selecting(self) -> Iterator[None]:
        """With the functions that SQLite lacks, and the result in a file, however long it is."""
        from headrace.destinations._sqlite_functions import install

        install(self.connection)
        self.connection.execute("PRAGMA temp_store = FILE")
        try:
            yield
        finally:
            self.connection.execute("PRAGMA temp_store = MEMORY")

    def result_types(self, table: str, told: Mapping[str, ColumnType]) -> dict[str, tuple[str, ColumnType]]:
        """A SELECT has values of some type, and no types: they are looked through."""
        names = [str(name) for (name,) in self.run("SELECT name FROM temp.pragma_table_info(?) ORDER BY cid", (table,))]
        asked = ", ".join(f"group_concat(DISTINCT typeof({quote(name)}))" for name in names)
        kinds = self.run(f"SELECT {asked} FROM temp.{quote(table)}")[0]
        return {
            name: _column_type(set((found or "").split(",")), told.get(name))
            for name, found in zip(names, kinds, strict=True)
        }

    def is_data_error(self, error: BaseException) -> bool:
        kinds = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)
        return isinstance(error, kinds)

    def is_conflict(self, error: BaseException) -> bool:
        return isinstance(error, sqlite3.IntegrityError)

    def alter_type(self, table: str, column: str, before: ColumnType, after: ColumnType) -> None:
        """SQLite cannot change a type: the table is written anew, with its indexes and triggers."""
        new = self.sql_type(after)
        if new == self.sql_type(before):
            return
        name = quote(column)
        change = {"bool": f"CASE {name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END", "float": f"float_text({name})",
                  "binary": f"lower(hex({name}))"}.get(before, f"CAST({name} AS {new})")  # fmt: skip
        info = self.run('SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?) ORDER BY cid', (table,))
        lines, primary = [], []
        for field, type, required, default, key in info:
            lines.append(
                f"{quote(field)} {new if field == column else type}"
                + (" NOT NULL" if required else "")
                + (f" DEFAULT ({default})" if default is not None else "")
            )
            if key:
                primary.append((key, field))
        if primary:
            lines.append(f"PRIMARY KEY ({', '.join(quote(field) for _, field in sorted(primary))})")
        for (index,) in self.run("SELECT name FROM pragma_index_list(?) WHERE origin = 'u'", (table,)):
            fields = self.run("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,))
            lines.append(f"UNIQUE ({', '.join(quote(field) for (field,) in fields)})")
        again = self.run(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL",
            (table,),
        )
        strict = self.run("SELECT strict FROM pragma_table_list(?)", (table,))[0][0]
        draft = quote(f"headrace_draft_{uuid4().hex[:8]}")
        names = ", ".join(quote(row[0]) for row in info)
        values = ", ".join(change if row[0] == column else quote(row[0]) for row in info)
        self.run(f"CREATE TABLE {draft} ({', '.join(lines)}){' STRICT' if strict else ''}")
        self.run(f"INSERT INTO {draft} ({names}) SELECT {values} FROM {quote(table)}")
        self.run(f"DROP TABLE {quote(table)}")
        self.run(f"ALTER TABLE {draft} RENAME TO {quote(table)}")
        for (sql,) in again:
            self.run(sql)

    def vacuum(self, own: Sequence[str], shared: Sequence[str]) -> None:
        """The whole file at once; then its log, which holds all of it as well."""
        self.execute("VACUUM", ())
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)", ())

    def query(self, sql: str, params: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """Streamed from a connection of its own that cannot write."""
        with closing(connect(self.uri)) as reader:
            reader.execute("PRAGMA query_only = ON")
            reader.set_authorizer(_reading_only)
            try:
                if "headrace_" in sql:
                    from headrace.destinations._sqlite_functions import install

                    install(reader)
                cursor = reader.execute(sql, tuple(params))
                if cursor.description is None:
                    raise UsageError("a query is one SELECT statement", hint="tables are changed by pipelines only")
                yield from _batches(cursor, lambda: _kinds(reader, sql, params))
            except (sqlite3.Error, sqlite3.Warning) as error:
                raise UsageError(str(error)) from error


def _reading_only(action: int, *_: Any) -> int:
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


def _kinds(reader: sqlite3.Connection, sql: str, params: Sequence[Any]) -> list[set[str]]:
    """The types of value that each column of a query has, over all its rows."""
    with closing(reader.execute(sql, tuple(params))) as probe:
        columns = [f"c{i}" for i, _ in enumerate(probe.description)]
    asked = ", ".join(f"group_concat(DISTINCT typeof({column}))" for column in columns)
    query = f"WITH q({', '.join(columns)}) AS ({sql.rstrip().rstrip(';')}\n) SELECT {asked} FROM q"
    return [set((found or "").split(",")) for found in reader.execute(query, tuple(params)).fetchone()]


def _batches(cursor: sqlite3.Cursor, kinds_of_all: Callable[[], list[set[str]]]) -> Iterator[pa.RecordBatch]:
    """SQLite's columns have no types of their own: a result longer than one batch is looked through first."""
    import pyarrow as pa

    names = [str(column[0]) for column in cursor.description]
    rows = list(islice(cursor, _CHUNK))
    if len(rows) < _CHUNK:
        kinds = [{_KINDS[type(row[at])] for row in rows} for at, _ in enumerate(names)]
    else:
        kinds = kinds_of_all()
    schema = pa.schema([(name, _arrow_type(found)) for name, found in zip(names, kinds, strict=True)])
    while True:
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        arrays = []
        for field, values in zip(schema, columns, strict=True):
            if pa.types.is_string(field.type):
                values = tuple(None if v is None else v if isinstance(v, str) else str(v) for v in values)
            arrays.append(pa.array(values, field.type))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        rows = list(islice(cursor, _CHUNK))
        if not rows:
            return


_HOLDS: Mapping[str, set[str]] = {
    "INTEGER": {"integer"}, "REAL": {"integer", "real"}, "TEXT": {"text"}, "BLOB": {"blob"},
}  # fmt: skip
"""The values that a column of each type stores as they are."""


def _column_type(kinds: set[str], told: ColumnType | None) -> tuple[str, ColumnType]:
    """The type of a column with values of these kinds. ``told`` counts where the values bear it out."""
    kinds = kinds - {"null", ""}
    if told is not None and kinds <= _HOLDS[_TYPES[told]]:
        return _TYPES[told], told
    if not kinds:
        return "TEXT", "untyped"
    for type, kind in (("INTEGER", "bigint"), ("REAL", "float"), ("TEXT", "string"), ("BLOB", "binary")):
        if kinds <= _HOLDS[type]:
            return type, kind  # type: ignore[return-value]  # the literals above
    return "ANY", "string"


_KINDS = {type(None): "null", int: "integer", float: "real", str: "text", bytes: "blob"}


def _arrow_type(kinds: set[str]) -> pa.DataType:
    import pyarrow as pa

    kinds = kinds - {"null"}
    if kinds == {"integer"}:
        return pa.int64()
    if kinds and kinds <= {"integer", "real"}:
        return pa.float64()
    return pa.binary() if kinds == {"blob"} else pa.string()


def connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    for setting in _SETTINGS:
        connection.execute(setting)
    return connection


def _insist(connection: sqlite3.Connection, setting: str) -> None:
    # Where several open or close a file at once, the change to WAL is refused at once, in spite of the timeout.
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute(setting)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


class SQLiteDestination(Destination):
    """A SQLite file, in WAL mode while it is open."""

    type: Literal["sqlite"] = "sqlite"
    path: str = "headrace.sqlite"
    """The file, relative to the working directory, or ``:memory:``."""

    @classmethod
    def from_url(cls, url: str) -> SQLiteDestination:
        return cls(path=file_of(url))

    @property
    def url(self) -> str:
        return url_of("sqlite", self.path)

    def capabilities(self) -> Capabilities:
        gaps = {
            "test_negative_zero_keeps_its_sign": "SQLite stores a REAL that is whole as an integer: -0.0 comes back as 0.0"
        }
        return Capabilities(concurrent_writers=True, sql="sqlite", gaps=gaps)

    @contextmanager
    def open(self, *, read_only: bool = False) -> Iterator[SqlSession]:
        from headrace.destinations._leased import LeasedSession

        if self.path == MEMORY:
            uri = f"file:headrace-{uuid4().hex}?mode=memory&cache=shared"
        else:
            if read_only and not Path(self.path).exists():
                raise CannotOpen(f"there is no file {self.path}", hint="headrace run makes it")
            uri = f"file:{url_quote(self.path)}?mode={'ro' if read_only else 'rwc'}"
        try:
            db = SQLiteConnection(uri)
            for setting in () if read_only else _DURABLE:
                _insist(db.connection, setting)
            db.physical("headrace_runs")
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise DestinationBusy(f"{self.path} is locked by another process") from error
            raise CannotOpen(f"{self.path} cannot be opened: {error}") from error
        try:
            yield LeasedSession(db, same_file(self.path))
        finally:
            db.close()
