"""How records become tables: the ``tables``, ``transform`` and ``destination`` keys of an extract step."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from headrace.core.model import Model, PathText
from headrace.core.tables import Disposition

DeclaredType = Literal["string", "int", "float", "decimal", "bool", "json", "timestamp", "date"]
Function = Literal[
    "upper", "lower", "trim", "unescape_html", "empty_to_null", "epoch_seconds", "epoch_millis",
    "iso_duration_minutes", "md5", "sha256", "to_json", "first", "last", "length", "join",
]  # fmt: skip


class Column(Model):
    """Where a column's value comes from: exactly one of ``path``, ``key`` and ``value``."""

    path: PathText | list[PathText] | None = None
    """Path below the element; of a list, the first that is not null."""
    key: int | None = Field(None, ge=1)
    """The name (or index) that the n-th ``*`` of ``each`` passed."""
    value: Any = None
    """A constant, or a text with ``{variables}``."""
    type: DeclaredType | None = None
    """Declared type; without it the column is inferred, and widens when a value does not fit."""
    apply: list[Function] = Field(default_factory=list)
    """Functions, in order."""
    default: Any = None
    """What stands for null or absent."""
    sensitive: bool = False
    """Its values are never shown in messages, logs, or results and kept rows of quality checks."""

    @model_validator(mode="after")
    def _one_origin(self) -> Column:
        given = [name for name in ("path", "key", "value") if name in self.model_fields_set]
        if len(given) != 1:
            raise ValueError(f"a column takes exactly one of path, key and value (here: {', '.join(given) or 'none'})")
        return self


class Prefer(Model):
    """One rule for choosing among rows of one record that share a key."""

    column: str
    order: list[str] | Literal["asc", "desc", "present"] = "desc"
    """Best first: a list of values, ``asc``, ``desc`` (nulls last), or ``present`` (not null)."""


class Condition(Model):
    """A comparison in ``where``; all that are given must hold."""

    eq: Any = None
    ne: Any = None
    gt: Any = None
    ge: Any = None
    lt: Any = None
    le: Any = None


Where = Literal["present", "absent"] | Condition | list[Any] | str | int | float | bool | None
"""What a path must be: a value, a list of values, ``present``, ``absent``, or a comparison."""


class ChangeHash(Model):
    """The hash that tells changed rows from unchanged ones (md5 of the row as JSON with sorted keys)."""

    column: str | None = None
    """Column that stores it; without one it is compared, not stored in the table."""
    without: list[str] = Field(default_factory=list)
    """Columns left out (signed URLs, timestamps)."""


class RemovalRule(Model):
    """When a row that is no longer seen counts as removed."""

    after_missing: int | None = Field(None, ge=1)
    """Complete runs without it; by default 1, and 2 for page and offset crawls."""
    max_share: float = Field(0.2, gt=0, le=1)
    """More than this share of a scope gone at once is held back for confirmation."""


ContractMode = Literal["evolve", "freeze", "quarantine"]


class Contract(Model):
    """What answers may change about a table: taken in (``evolve``), an error (``freeze``), or only the record is
    rejected (``quarantine``)."""

    tables: ContractMode = "evolve"
    """The table does not exist: it is made, the run is refused, or all its records are rejected."""
    columns: ContractMode = "evolve"
    """A record brings a column that the table lacks; only tables without ``columns`` get new ones."""
    types: ContractMode = "evolve"
    """A value does not fit its column, which would have to widen."""


class Table(Model):
    """One extracted table."""

    table: str
    each: PathText | None = None
    """Path with ``*`` from a record to the elements that become rows; by default the record is the row."""
    key: list[str] = Field(default_factory=list)
    """Columns that identify a row."""
    columns: dict[str, PathText | Column] | None = None
    """Column name to path or :class:`Column`; without it every field of the element becomes a column."""
    where: dict[PathText, Where] = Field(default_factory=dict)
    """Only elements for which all of these hold."""
    prefer: list[Prefer] = Field(default_factory=list)
    """Which row to keep when one record gives several with the same key; by default the last."""
    write: Disposition | None = None
    """By default ``merge`` with a key and ``append`` without."""
    missing: Literal["null", "keep"] = "null"
    """merge: what an absent field does to the stored row."""
    change_hash: bool | ChangeHash = False
    on_insert: dict[str, Any] = Field(default_factory=dict)
    """sync: further columns of a new row."""
    on_change: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """sync: column (``""``: any) whose change sets further columns."""
    staging: str | None = None
    """sync: name of the staging table."""
    removals: bool | RemovalRule = True
    """Track membership (keyed merge tables)."""
    contract: ContractMode | Contract = "evolve"
    """What a new column or a wider type does: is taken in, fails the run, or rejects the record. One word is for
    both; a mapping tells them apart, and says what a table that does not exist yet does."""

    @model_validator(mode="before")
    @classmethod
    def _null_word(cls, data: Any) -> Any:
        if isinstance(data, dict) and "missing" in data and data["missing"] is None:
            return {**data, "missing": "null"}  # YAML reads the bare word null as nothing
        return data

    @property
    def disposition(self) -> Disposition:
        return self.write or ("merge" if self.key else "append")

    @property
    def contracted(self) -> Contract:
        """The contract, spelled out: one word lets the declared table itself be made."""
        if isinstance(self.contract, Contract):
            return self.contract
        return Contract(columns=self.contract, types=self.contract)

    @model_validator(mode="after")
    def _consistent(self) -> Table:
        if not self.table.strip():
            raise ValueError("the table has no name")
        if self.columns is not None and not self.columns:
            raise ValueError("columns is empty: name columns, or leave it out to take every field")
        if self.disposition in ("merge", "sync", "scd2") and not self.key:
            raise ValueError(f"write: {self.disposition} needs a key")
        if self.columns is not None:
            lost = [k for k in self.key if k not in self.columns]
            if lost:
                raise ValueError(f"key column {lost[0]!r} is not among the columns: {', '.join(self.columns)}")
        return self


class Transform(Model):
    """The row form when a step has no ``tables``."""

    flatten: bool = False
    """Each field of the record becomes a column, instead of ``raw_data``."""
    add_fields: dict[str, Any] = Field(default_factory=dict)
    """Further columns, with ``{variables}``."""


class TableTarget(Model):
    """``destination:`` of a step without ``tables``."""

    table: str
    batch_size: int = Field(1000, ge=1)
    """Read for files that have it. A commit is whole pages, and how many rows one statement takes is the destination's
    affair: the tables are the same whatever stands here."""
    key_fields: list[str] = Field(default_factory=list)
    """Fields of the record that identify it: a record that is there already is not added again."""
