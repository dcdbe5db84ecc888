"""PostgreSQL: many writers; new rows are copied into their table, others into a temporary one, then one statement for
the whole group."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from headrace.core import faults
from headrace.core.contracts import Capabilities, Destination, Limits
from headrace.core.errors import CannotOpen, CommitFailed, CommitUnknown, UsageError
from headrace.core.tables import StreamKey
from headrace.core.types import ColumnType
from headrace.destinations._connection import STAGE, Connection, Load, Row
from headrace.destinations._leased import LeasedSession
from headrace.destinations._sql import quote

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES: Mapping[ColumnType, str] = {
    "untyped": "text", "bool": "boolean", "int": "bigint", "bigint": "bigint", "decimal": "numeric",
    "float": "double precision", "string": "text", "json": "json", "timestamp": "timestamp with time zone",
    "date": "date", "binary": "bytea",
}  # fmt: skip
_READ: Mapping[str, ColumnType] = {
    "boolean": "bool", "smallint": "bigint", "integer": "bigint", "bigint": "bigint", "numeric": "decimal",
    "real": "float", "double precision": "float", "json": "json", "timestamp with time zone": "timestamp",
    "date": "date", "bytea": "binary",
}  # fmt: skip
_TOKEN = re.compile(
    r"""(?P<kept>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<literal>\?\?)|(?P<mark>\?)|(?P<percent>%)""",
    re.DOTALL | re.VERBOSE,
)
_CHUNK = 10_000


@lru_cache(maxsize=1024)
def driver_form(sql: str) -> str:
    """``?`` as psycopg wants it, but not within texts, names and comments; ``??`` is the operator ``?``."""

    def one(match: re.Match[str]) -> str:
        if match["mark"]:
            return "%s"
        return "?" if match["literal"] else match[0].replace("%", "%%")

    return _TOKEN.sub(one, sql)


_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


class PostgreSQLConnection(Connection):
    """One connection; opened anew when it breaks."""

    dialect: ClassVar[str] = "postgresql"
    max_name: ClassVar[int | None] = 63
    loads: ClassVar[bool] = True

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.dsn = dsn
        self.connection = connect(dsn)

    def twin(self) -> PostgreSQLConnection:
        return PostgreSQLConnection(self.dsn)

    def execute(self, sql: str, params: Sequence[Any]) -> list[Row]:
        params = [value.replace("\0", "\\0") if isinstance(value, str) else value for value in params]  # as safe_text
        cursor = self.connection.execute(driver_form(sql).encode() if params else sql.encode(), params or None)
        return cursor.fetchall() if cursor.description else []

    def begin(self) -> None:
        if self.connection.closed:
            self.reconnect()
        self.connection.execute("BEGIN")

    def commit(self) -> None:
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(Exception):
            self.connection.execute("ROLLBACK")

    def close(self) -> None:
        self.connection.close()

    def reconnect(self) -> None:
        with suppress(Exception):
            self.connection.close()
        self.connection = connect(self.dsn)

    def sql_type(self, type: ColumnType) -> str:
        return _TYPES[type]

    def read_type(self, sql_type: str) -> ColumnType:
        return _READ.get("numeric" if sql_type.startswith("numeric") else sql_type, "string")

    def time(self, micros: int | None) -> Any:
        return None if micros is None else _EPOCH + timedelta(microseconds=micros)

    def micros(self, value: Any) -> int | None:
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def physical(self, table: str) -> dict[str, str]:
        return {str(name): str(type) for name, type in self.do("physical", (table,))}

    def comparable(self, expression: str, type: ColumnType) -> str:
        return f"CAST({expression} AS text)" if type == "json" else expression

    def safe_text(self, text: str) -> str:
        return super().safe_text(text).replace("\0", "\\0")

    def load(self, table: str, rows: pa.Table, types: Mapping[str, ColumnType], *more: Load) -> bool:
        from psycopg.errors import FeatureNotSupported, UniqueViolation, WrongObjectType

        from headrace.destinations._rows import types_of

        self.run("SAVEPOINT headrace_load")
        try:
            for name, part, declared in ((table, rows, types), *more):
                known = types_of(part, declared)
                self._copy(quote(name), part, known, binary=self._is_ours(name, known))
        except (UniqueViolation, FeatureNotSupported, WrongObjectType):  # a row is there; or COPY enters no such table
            self.run("ROLLBACK TO SAVEPOINT headrace_load")
            return False
        self.run("RELEASE SAVEPOINT headrace_load")
        return True

    def _is_ours(self, table: str, types: Mapping[str, ColumnType]) -> bool:
        """Whether these columns have the types that we give, and not, say, ``integer`` or ``varchar``, which COPY reads
        as text alone. Nobody changes them before this transaction ends."""
        self.do("lock_types", table=quote(table))
        physical = self.physical(table)
        return all(physical.get(name) == _TYPES[type] for name, type in types.items())

    def stage(self, rows: pa.Table, types: Mapping[str, ColumnType]) -> None:
        from headrace.destinations._rows import types_of

        known = types_of(rows, types)
        lines = ", ".join(f"{quote(name)} {_TYPES[type]}" for name, type in known.items())
        self.run(f"CREATE TEMP TABLE {STAGE} ({lines}) ON COMMIT DROP")
        self._copy(f"pg_temp.{STAGE}", rows, known, binary=True)

    def _copy(self, table: str, rows: pa.Table, types: Mapping[str, ColumnType], *, binary: bool) -> None:
        from headrace.destinations._copy import copy_text
        from headrace.destinations._copy_binary import copy_binary

        if self.committing:
            faults.point("commit.sql")
        into = f"COPY {table} ({', '.join(map(quote, types))}) FROM STDIN{' (FORMAT binary)' if binary else ''}"
        parts = copy_binary(rows, types) if binary else copy_text(rows, types)
        with self.connection.cursor() as cursor, cursor.copy(into.encode()) as copy:
            for part in parts:
                copy.write(part)

    def unstage(self) -> None:
        self.run(f"DROP TABLE pg_temp.{STAGE}")

    def is_data_error(self, error: BaseException) -> bool:
        from psycopg import DataError, IntegrityError
        from psycopg.errors import ProgramLimitExceeded

        return isinstance(error, DataError | IntegrityError | ProgramLimitExceeded | UnicodeError)

    def is_conflict(self, error: BaseException) -> bool:
        from psycopg.errors import UniqueViolation

        return isinstance(error, UniqueViolation)

    def lock_schema(self) -> None:
        self.do("lock_schema")

    def lock_table(self, table: str) -> None:
        self.do("lock_table", table=quote(table))

    def vacuum(self, own: Sequence[str], shared: Sequence[str]) -> None:
        """FULL, which locks a table and writes it anew, for what only the engine uses: archives, ``_seen``,
        ``_rejected`` and its own tables. Tables that people read get a plain VACUUM: its bytes are used again by
        later rows, and nobody waits."""
        archives = [str(name) for (name,) in self.do("raw_tables")]
        for table in [*own, *archives]:
            self.execute(f"VACUUM (FULL, ANALYZE) {quote(table)}", ())
        for table in shared:
            self.execute(f"VACUUM (ANALYZE) {quote(table)}", ())

    @contextmanager
    def views_aside(self, table: str) -> Iterator[None]:
        """PostgreSQL neither changes nor drops what a view reads."""
        views = self.do("dependent_views", (table,))
        for name, _, kind in reversed(views):
            self.do("drop_dependent", kind=kind, view=name)
        yield
        for name, query, kind in views:
            if not self.do("view_exists", (name,))[0][0]:
                self.do("create_dependent", kind=kind, view=name, query=query)

    def query(self, sql: str, params: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """Streamed through a server-side cursor, from a connection of its own that cannot write."""
        import psycopg

        with connect(self.dsn) as reader:
            try:
                reader.execute("BEGIN READ ONLY")
                with reader.cursor("headrace_query") as cursor:
                    cursor.execute(driver_form(sql).encode() if params else sql.encode(), tuple(params) or None)
                    yield from _batches(cursor)
            except psycopg.Error as error:
                raise UsageError(str(error).strip()) from error
            finally:
                with suppress(psycopg.Error):
                    reader.execute("ROLLBACK")


def _batches(cursor: psycopg.ServerCursor[Row]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    kinds: dict[int, pa.DataType] = {16: pa.bool_(), 17: pa.binary(), 20: pa.int64(), 21: pa.int64(), 23: pa.int64(), 700: pa.float64(),
             701: pa.float64(), 1082: pa.date32(), 1184: pa.timestamp("us", "UTC")}  # fmt: skip
    rows: list[Row] = cursor.fetchmany(_CHUNK)
    columns = cursor.description or []
    schema = pa.schema([(column.name, kinds.get(column.type_code, pa.string())) for column in columns])
    while True:
        values = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
        arrays = []
        for field, found in zip(schema, values, strict=True):
            if pa.types.is_string(field.type):
                found = tuple(None if v is None else v if isinstance(v, str) else str(v) for v in found)
            arrays.append(pa.array(found, field.type))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        rows = cursor.fetchmany(_CHUNK)
        if not rows:
            return


_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")


def connect(dsn: str) -> psycopg.Connection[Row]:
    """Autocommit, UTC, JSON as its own text, no prepared statements (plans do not survive DDL)."""
    try:
        import psycopg
        from psycopg.types.string import TextLoader
    except ImportError as error:
        raise UsageError("PostgreSQL needs psycopg", hint="pip install 'headrace[postgres]'") from error
    try:
        patience: dict[str, Any] = {} if "connect_timeout" in dsn else {"connect_timeout": 10}
        connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=None, client_encoding="UTF8", **patience)
        connection.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'")
    except psycopg.ProgrammingError:  # libpq quotes what it cannot read, the password too
        raise CannotOpen("PostgreSQL cannot read this URL") from None
    except psycopg.Error as error:
        raise CannotOpen(f"PostgreSQL cannot be reached: {str(error).strip()}") from error
    for name in ("json", "jsonb"):
        connection.adapters.register_loader(name, TextLoader)
    return connection


class PostgreSQLSession(LeasedSession):
    """A session that finds out what became of a commit whose answer was lost."""

    db: PostgreSQLConnection

    def _end(self, attempts: dict[StreamKey, str]) -> None:
        import psycopg

        try:
            self.db.commit()
        except psycopg.OperationalError as error:
            if not self.db.connection.closed:
                raise
            if not self._was_committed(attempts, error):
                raise CommitFailed(
                    "the connection broke during COMMIT, which did not happen", place=self.place
                ) from error

    def _was_committed(self, attempts: dict[StreamKey, str], lost: Exception) -> bool:
        """Look for our own token. The insert waits for a first checkpoint that is still in flight, the row
        lock for a later one; a plain read would see neither."""
        if not attempts:
            raise CommitUnknown(
                "the connection broke during a COMMIT that moves no checkpoint", place=self.place
            ) from lost
        key, token = next(iter(attempts.items()))
        place = (key.run_id, key.step, key.slice)
        try:
            self.db.committing = False
            self.db.reconnect()
            self.db.begin()
            self.db.do("checkpoint_probe", place)
            found = self.db.do("checkpoint_lock", place)
            self.db.rollback()
        except Exception as error:
            raise CommitUnknown(
                f"the connection broke during COMMIT and cannot be restored: {error}", place=self.place,
                hint="run it again: it goes on from what was committed",
            ) from lost  # fmt: skip
        return bool(found) and self._checkpoint_token(found[0]) == token

    @staticmethod
    def _checkpoint_token(row: Row) -> str:
        return str(row[6])

    def _try_lock(self, run_id: str) -> bool | None:
        """The lock lives and dies with the connection; the row beside it only says who holds it."""
        return bool(self.db.do("lease_lock", (_lock_number(run_id),))[0][0])

    def _unlock(self, run_id: str) -> None:
        self.db.do("lease_unlock", (_lock_number(run_id),))


def _lock_number(run_id: str) -> int:
    return int.from_bytes(sha256(f"headrace:{run_id}".encode()).digest()[:8], "big", signed=True)


class PostgreSQLDestination(Destination):
    """A PostgreSQL database; tables go into the first schema of the search path."""

    type: Literal["postgresql"] = "postgresql"
    dsn: SecretStr
    """``postgresql://user@host/database?options``; the password may come from ``PGPASSWORD``."""

    @classmethod
    def from_url(cls, url: str) -> PostgreSQLDestination:
        try:
            parts = urlsplit(url)
            hosts = parts.netloc.rpartition("@")[2].split(",")
            readable = all(_HOST.fullmatch(host) for host in hosts) and "@" not in parts.path + parts.fragment
        except ValueError:
            readable = False
        if not readable:  # not shown: what cannot be told apart may be the password
            raise UsageError(
                "the postgresql URL cannot be read",
                hint="write postgresql://user@host:5432/database with the password in PGPASSWORD, "
                "or percent-encode what is not a letter or digit in it",
            )
        return cls(dsn=SecretStr(url))

    @property
    def url(self) -> str:
        parts = urlsplit(self.dsn.get_secret_value())
        user, at, host = parts.netloc.rpartition("@")
        query = re.sub(r"(^|&)(password|sslpassword)=[^&]*", "", parts.query)
        return urlunsplit(("postgresql", user.partition(":")[0] + at + host, parts.path, query.lstrip("&"), ""))

    def capabilities(self) -> Capabilities:
        limits = Limits(nul=False, max_columns=1600, max_name=63, max_value=(1 << 30) - 1, own_columns=_SYSTEM_COLUMNS)
        return Capabilities(concurrent_writers=True, limits=limits, fold=str.lower, sql="postgresql")

    @contextmanager
    def open(self, *, read_only: bool = False) -> Iterator[PostgreSQLSession]:
        try:
            db = PostgreSQLConnection(self.dsn.get_secret_value())
        except CannotOpen as error:
            raise CannotOpen(error.message, place=self.url, hint=_hint(error.message)) from error
        try:
            if read_only:
                db.connection.execute("SET default_transaction_read_only = on")
            yield PostgreSQLSession(db, self.url)
        finally:
            db.close()


def _hint(message: str) -> str:
    if "password" in message and "PGPASSWORD" not in os.environ:
        return "set PGPASSWORD"
    return "check host, port and database"
