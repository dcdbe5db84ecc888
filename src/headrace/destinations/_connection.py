"""What differs between databases, as one small interface; everything else is written once on top of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.core import faults
from headrace.core.errors import DestinationError, HeadraceError
from headrace.core.sql import fill
from headrace.core.types import ColumnType
from headrace.destinations._left import Left
from headrace.destinations._sql import quote, statements

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[Any, ...]
Load = tuple[str, "pa.Table", Mapping[str, ColumnType]]
"""A table, the rows that it gets, and their types."""
STAGE = "headrace_batch"
"""The temporary relation that holds a group's rows of one table."""


class Connection(ABC):
    """One database connection. Statements use ``?`` for values."""

    dialect: ClassVar[str]
    max_name: ClassVar[int | None] = None
    unique_keys: ClassVar[bool] = True
    """Keyed tables get a unique index."""
    seen_is_view: ClassVar[bool] = False
    """``<table>_seen`` is a view of what its rows have of their own and what many of them share."""
    loads: ClassVar[bool] = False
    """Rows that are all new go into their table without being staged."""
    sole: ClassVar[bool] = False
    """Between two transactions of this connection nobody writes, or it forgets what it left."""

    def __init__(self) -> None:
        self.committing = False
        self._told = False
        """Whoever began the transaction that is open says what became of it."""
        self.sightings: dict[tuple[str, str], int] = {}
        """By scope and run the sighting of what they have just seen, where ``<table>_seen`` is a view."""
        self.renewed: set[str] = set()
        """Tables whose last group had rows that stood already: the next one will have some too."""
        self.left = Left()
        """What the last commit left; for a connection that is ``sole``."""
        self.fresh: set[tuple[str, str]] = set()
        """Tables, and runs whose last group for them was new from the first row to the last: the next one will be too."""

    def text(self, name: str, **identifiers: str) -> str:
        """The statement ``name`` of this dialect."""
        return fill(statements(self.dialect)[name], identifiers)

    def run(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Execute one statement and give its rows. Outside a transaction an error of the driver (the connection is
        gone, the file cannot be read) is a DestinationError."""
        if self.committing:
            faults.point("commit.sql")
        try:
            return self.execute(sql, params)
        except Exception as error:
            if self.committing or self._told or isinstance(error, HeadraceError):
                raise
            raise DestinationError(
                f"the database does not answer: {str(error).strip() or type(error).__name__}",
                hint="what was committed is safe; run it again",
            ) from error

    def do(self, name: str, params: Sequence[Any] = (), **identifiers: str) -> list[Row]:
        """Execute the statement ``name``; an empty one is a no-op."""
        sql = self.text(name, **identifiers)
        return self.run(sql, params) if sql else []

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert plain rows, many to a statement."""
        head = f"INSERT INTO {quote(table)} ({', '.join(quote(c) for c in columns)}) VALUES "
        one = "(" + ", ".join("?" * len(columns)) + ")"
        step = max(1, 900 // len(columns))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            self.run(head + ", ".join([one] * len(part)), [value for row in part for value in row])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing."""
        self.left.forget()
        self.begin()
        self._told = True
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        finally:
            self._told = False
        self.commit()

    @contextmanager
    def trial(self) -> Iterator[None]:
        """A transaction that never happened, whatever the block did."""
        self.left.forget()
        self.begin()
        self._told = True
        try:
            yield
        finally:
            self._told = False
            self.rollback()

    @abstractmethod
    def execute(self, sql: str, params: Sequence[Any]) -> list[Row]: ...
    @abstractmethod
    def begin(self) -> None: ...
    @abstractmethod
    def commit(self) -> None: ...
    @abstractmethod
    def rollback(self) -> None:
        """End the transaction, if there still is one; does not raise."""

    @abstractmethod
    def close(self) -> None: ...

    def twin(self) -> Connection:
        """Another connection to the same database, for another thread."""
        raise NotImplementedError

    @abstractmethod
    def sql_type(self, type: ColumnType) -> str: ...
    @abstractmethod
    def read_type(self, sql_type: str) -> ColumnType:
        """The type of a column that somebody else made."""

    @abstractmethod
    def time(self, micros: int | None) -> Any:
        """A moment (microseconds since 1970 UTC) as a value to bind."""

    @abstractmethod
    def micros(self, value: Any) -> int | None:
        """:meth:`time` backwards."""

    @abstractmethod
    def physical(self, table: str) -> dict[str, str]:
        """The columns and SQL types of a table; empty when there is none."""

    @abstractmethod
    def stage(self, rows: pa.Table, types: Mapping[str, ColumnType]) -> None:
        """Make ``rows`` readable as the relation :data:`STAGE`."""

    def load(self, table: str, rows: pa.Table, types: Mapping[str, ColumnType], *more: Load) -> bool:
        """Insert ``rows`` into ``table``, and ``more`` likewise, unless one of them is there already: then nothing is
        done, and the answer is false."""
        return False

    def will_write(self, table: str, rows: pa.Table) -> None:  # noqa: B027 - most databases find their memory themselves
        """Be ready for these rows of ``table``."""

    def will_append(self) -> None:  # noqa: B027 - most databases insert alike
        """The staged rows are about to be inserted as they are, behind those that stand."""

    def will_change(self) -> None:  # noqa: B027 - most databases find their memory themselves
        """Rows that stand are about to be changed."""

    def more_room(self, error: BaseException) -> bool:
        """Whether a commit that failed for want of memory may be tried again with more."""
        return False

    def will_read(self, size: int) -> None:  # noqa: B027 - most databases find their memory themselves
        """Be ready to read values of so many bytes together."""

    @abstractmethod
    def unstage(self) -> None: ...

    @abstractmethod
    def is_data_error(self, error: BaseException) -> bool:
        """The database refused a value, not the statement or the moment."""

    def is_conflict(self, error: BaseException) -> bool:
        """Another session inserted the same key first."""
        return False

    @contextmanager
    def views_aside(self, table: str) -> Iterator[None]:
        """Change ``table`` inside; views that people made on it work again afterwards."""
        yield

    @abstractmethod
    def query(self, sql: str, params: Sequence[Any]) -> Iterator[pa.RecordBatch]: ...

    @contextmanager
    def selecting(self) -> Iterator[None]:
        """Around a transaction that runs the SELECT of a SQL step."""
        yield

    def result_types(self, table: str, told: Mapping[str, ColumnType]) -> dict[str, tuple[str, ColumnType]]:
        """The columns of the temporary table ``table``: the SQL type that a lasting one gets, and what it holds.
        ``told`` is what the SELECT says of them."""
        found: dict[str, tuple[str, ColumnType]] = {}
        for name, physical in self.do("result_columns", (table,)):
            kind = self.read_type(str(physical))
            found[str(name)] = (str(physical) if kind == "string" else self.sql_type(kind), kind)
        return found

    def alter_type(self, table: str, column: str, before: ColumnType, after: ColumnType) -> None:
        """Give a column a wider type, keeping its values."""
        new = self.sql_type(after)
        if new != self.sql_type(before):
            using = self.text(f"{before}_as_text" if before in ("decimal", "timestamp") else "cast",
                              column=quote(column), type=new)  # fmt: skip
            self.do("alter_type", table=quote(table), column=quote(column), type=new, using=using)

    def restage(self, sql: str) -> None:  # noqa: B027 - most databases need nothing here
        """Make the staged rows what ``sql`` selects, where rows are replaced by delete and insert."""

    def comparable(self, expression: str, type: ColumnType) -> str:
        """``expression`` in a form that the database can compare."""
        return expression

    def differ(self, left: str, right: str) -> str:
        """That two expressions differ, where null equals null."""
        return f"{left} IS DISTINCT FROM {right}"

    def safe_text(self, text: str) -> str:
        """``text`` without what the database cannot store."""
        return text.encode("utf-8", "backslashreplace").decode()

    def lock_schema(self) -> None:  # noqa: B027 - one writer at a time needs none
        """Keep other sessions from changing the schema until this transaction ends."""

    def lock_table(self, table: str) -> None:  # noqa: B027 - one writer at a time needs none
        """Keep other writers off ``table`` until this transaction ends."""

    @abstractmethod
    def vacuum(self, own: Sequence[str], shared: Sequence[str]) -> None:
        """Give deleted bytes back. ``own`` are the tables that only the engine uses, ``shared`` those that
        people read."""
