"""What a table is, what goes into it, and what one commit carries. The vocabulary between mapping,
crawl and destinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from headrace.core.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

Disposition: TypeAlias = Literal["append", "merge", "replace", "sync", "scd2"]

GROUP_ROWS = 8_192
"""Rows that make a group large enough to be committed before its time. DuckDB writes its row groups of just this size
straight into the file: less than one goes through its log and through memory, and costs three times as much."""
PAGE, RECORD = "_page", "_record"
COMPANIONS = ("_seen", "_rejected", "_current", "_removed", "_sighted")
"""What Headrace puts behind a table's name for tables and views of its own."""
"""Provenance of a row: the page's :func:`page_id` and the record's index in it (from 0)."""


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table as the pipeline file declares it; names are already folded for the destination.

    ``columns`` is in order; a type of ``None`` is inferred. Provenance (``_page``, ``_record``) stands in
    the table itself, or in ``<name>_seen`` where there is one, so that a table can have exact columns.
    """

    name: str
    write: Disposition
    columns: Mapping[str, ColumnType | None]
    key: tuple[str, ...] = ()
    missing: Literal["null", "keep"] = "null"
    """merge: a column that a record lacks becomes null, or keeps what the row has."""
    hash_column: str | None = None
    """Column that holds the hash of the row; a row whose hash is unchanged is not written again."""
    hash_without: frozenset[str] = frozenset()
    """Columns left out of the row's hash (scd2 and ``change_hash``)."""
    on_insert: Mapping[str, Any] = field(default_factory=dict)
    """sync: values of further columns of the target when a row is new."""
    on_change: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """sync: column whose change matters (``""``: any) -> values to set."""
    extra_columns: Mapping[str, ColumnType] = field(default_factory=dict)
    """sync: the types of the columns that only ``on_insert`` and ``on_change`` write."""
    staging: str | None = None
    """sync: the staging table's name."""
    open_ended: bool = False
    """New columns may appear (flattened records)."""
    hidden: tuple[str, ...] = ()
    """Key columns that batches carry (as strings) but the table lacks: they live in ``<name>_seen``."""
    membership: bool = False
    """Keep ``<name>_seen`` (keyed merge and append tables); for merge also the views ``<name>_current``
    and ``<name>_removed``."""
    removed_after: int = 1
    """Complete runs without a row before it counts as removed."""
    removed_share: float = 0.2
    """A larger share of a scope missing at once is held back for a person to confirm."""

    when_absent: Literal["create", "refuse", "withhold"] = "create"
    """What a table that does not exist yet gets: it is made, the run is refused, or all of its records are
    rejected (only ``<name>_rejected`` is made)."""
    sensitive: tuple[str, ...] = ()
    """Columns whose values quality checks never show."""

    @property
    def provenance(self) -> bool:
        return not self.membership


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one page for one table, or of neighbouring pages, in record order.

    ``rows`` has the spec's columns that are typed by now, plus ``_page`` and ``_record`` (int64). Keyed
    tables: no key is null, none occurs twice on a page. ``types`` gives each column's type as of this page;
    columns that are ``untyped`` are all null (string in Arrow). JSON is UTF-8 text, decimals are
    decimal128(38, 9), timestamps are timestamp[us, UTC].
    """

    table: str
    rows: pa.RecordBatch
    types: Mapping[str, ColumnType]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be stored, kept with its reason in ``<table>_rejected``."""

    table: str
    page_id: int
    record: int
    reason: str
    column: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Packed:
    """A body as the archive stores it, compressed as its page says; size (bytes) and SHA-256 (hex) of what it was."""

    data: bytes
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RawPage:
    """The archive's row: an answer byte for byte (after ``Content-Encoding``), with secrets masked."""

    table: str
    run_id: str
    step: str
    slice: str
    page_number: int
    page_id: int
    fetched_at: int
    url: str
    status: int
    headers: str
    """Allow-listed headers as JSON text."""
    body: bytes
    """Empty where ``packed`` stands for it."""
    masked: int = 0
    compression: Literal["zstd", "none"] = "zstd"
    packed: Packed | None = None
    """On its way to the archive a body may be packed already. A page that is read has its body."""


Cursor: TypeAlias = Any  # plain JSON: str | int | list | dict | None; None from next() is the end


@dataclass(frozen=True, slots=True)
class StreamKey:
    """One sequence of pages: a step of a run, or one slice of it (``""`` when not sliced)."""

    run_id: str
    step: str
    slice: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a stream stands: the only truth about it. ``page_number`` pages are committed (numbers
    1 … page_number); ``cursor_next`` fetches the next one unless ``done``.

    ``attempt`` is the token of the commit that wrote it. ``memo`` is small plain JSON the crawl wants
    back on resume (hash of the last page, declared total, highest ``cursor_path`` value, ...).
    """

    key: StreamKey
    page_number: int = 0
    cursor_next: Cursor = None
    done: bool = False
    attempt: str = ""
    rows: int = 0
    memo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advance:
    """Move one stream from ``expected`` (``None``: no checkpoint yet) to ``at``, or fail as Fenced."""

    expected: Checkpoint | None
    at: Checkpoint


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A column that is new or wider than before, and the page that made it so."""

    table: str
    column: str
    before: ColumnType | None
    after: ColumnType
    page_id: int


@dataclass(frozen=True, slots=True)
class SliceState:
    """One frozen slice. ``params`` is what ``{slice.…}`` gives; ``name`` is unique in the step."""

    name: str
    position: int
    params: Mapping[str, Any]
    status: Literal["pending", "done", "failed"] = "pending"
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """A step's tables are complete: exchange replaced tables, merge staging, close and count absences.

    ``complete`` is false when the crawl was capped, suspect or lost a slice: then nothing is
    inferred from absence and ``replace`` tables keep what they had.
    """

    step: str
    scope: str
    """Fingerprint of what this crawl covers (pipeline, step, inputs)."""
    complete: bool
    tables: tuple[str, ...]
    at: int
    """Wall time, microseconds: the moment of removal or closing."""


@dataclass(frozen=True, slots=True)
class Transform:
    """The rows of one SELECT, as a table's (or as a view). ``select`` is in the destination's own SQL, with every
    value in it; it reads what is committed, and may read ``table`` itself."""

    step: str
    table: str
    select: str
    write: Literal["overwrite", "append", "merge", "view"]
    key: tuple[str, ...] = ()
    """merge: rows that have the key of a row of the result give way to it."""
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    """What the columns of the result are, where the text tells: a database may have no such types."""


@dataclass(frozen=True, slots=True)
class Group:
    """One commit: all of it, or none. Batches are in page order; every batch of a table has the same
    types (a page that changes a type starts a new group)."""

    run_id: str
    scope: str = ""
    advances: Sequence[Advance] = ()
    batches: Sequence[Batch] = ()
    pages: Sequence[RawPage] = ()
    rejected: Sequence[Rejected] = ()
    changes: Sequence[SchemaChange] = ()
    slices: Sequence[tuple[str, SliceState]] = ()
    """(step, new state) of slices that ended in this commit."""
    finish: Finish | None = None
    transform: Transform | None = None
    """Its rows are counted in the checkpoints that the commit writes (``rows``, and ``rows`` of the memo)."""


@dataclass(frozen=True, slots=True)
class Removals:
    """What one :class:`Finish` found gone from a scope of one table."""

    table: str
    scope: str
    run_id: str
    missing: int
    known: int
    status: Literal["applied", "held", "confirmed", "rejected"]
    found_at: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a commit did. ``rejected`` are records that only the destination refused (found by
    bisection); they are stored in ``<table>_rejected`` by the same commit."""

    rows: Mapping[str, int]
    rejected: Sequence[Rejected] = ()
    removals: Sequence[Removals] = ()
    seconds: float = 0.0


RunStatus: TypeAlias = Literal["running", "done", "failed", "partial", "suspect", "interrupted"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A row of ``headrace_runs``. Times are microseconds since 1970 UTC; ``resolved`` is the whole
    pipeline as run, without secrets; ``params`` are the inputs; ``now`` is what ``{now}`` gives."""

    run_id: str
    pipeline: str
    org: str
    status: RunStatus
    params: Mapping[str, Any]
    resolved: Mapping[str, Any]
    request_hash: str
    mapping_hash: str
    scope: str
    now: int
    started_at: int
    finished_at: int | None = None
    rows: int = 0
    pages: int = 0
    requests: int = 0
    error: str = ""


_EPOCH_2020 = 1_577_836_800_000_000


def page_id(fetched_at: int, key: StreamKey, page_number: int) -> int:
    """A 63-bit id of a page that sorts by the time it was fetched: microseconds since 2020 in the upper
    50 bits (enough until 2055), a hash of the page's place in the lower 13."""
    import zlib

    place = f"{key.run_id}\0{key.step}\0{key.slice}\0{page_number}".encode()
    return (fetched_at - _EPOCH_2020) << 13 | zlib.crc32(place) & 0x1FFF


def first_page_id(at: int) -> int:
    """The least :func:`page_id` of a page that was fetched at ``at`` or later."""
    return (at - _EPOCH_2020) << 13


def page_time(identifier: int) -> int:
    """The ``fetched_at`` (microseconds since 1970 UTC) that a :func:`page_id` was made from."""
    return (identifier >> 13) + _EPOCH_2020
