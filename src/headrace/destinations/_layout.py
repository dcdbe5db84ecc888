"""The names and columns that one table's engine parts have in a database."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256

from headrace.core.tables import PAGE, RECORD, TableSpec
from headrace.core.types import ColumnType
from headrace.destinations._sql import fit, quote

HASH = "_hash"
SEEN_COLUMNS = (
    "scope",
    "run_id",
    PAGE,
    RECORD,
    "missed",
    "missed_run",
    "removed_at",
    "removed_run",
    "row_hash",
    "_sighting",
)


def seen_column(name: str) -> str:
    """A key column's name in ``<table>_seen``, out of the way of the engine's own."""
    return name + "_" if name.rstrip("_") in SEEN_COLUMNS or name in SEEN_COLUMNS else name


@dataclass(frozen=True, slots=True)
class Layout:
    """One :class:`TableSpec` under the name it has in the database (another one while it is rebuilt)."""

    spec: TableSpec
    name: str
    max_name: int | None = None

    def _beside(self, suffix: str) -> str:
        return fit(self.name + suffix, self.max_name)

    @property
    def seen(self) -> str:
        return self._beside("_seen")

    @property
    def sighted(self) -> str:
        """Where the rows of ``<table>_seen`` are, in a database in which that is a view."""
        return self._beside("_sighted")

    @property
    def rejected(self) -> str:
        return self._beside("_rejected")

    @property
    def current(self) -> str:
        return self._beside("_current")

    @property
    def removed(self) -> str:
        return self._beside("_removed")

    @property
    def sync_staging(self) -> str:
        return self.spec.staging if self.spec.staging and self.name == self.spec.name else self._beside("_staging")

    def replace_staging(self, run_id: str) -> str:
        """Named by the table and the run, so that a resumed run finds its own."""
        return self._beside("_new_" + sha256(run_id.encode()).hexdigest()[:10])

    @property
    def has_seen(self) -> bool:
        """Which page a row is from stands beside the table."""
        return bool(self.spec.key) and (self.spec.membership or bool(self.spec.hidden))

    @property
    def has_views(self) -> bool:
        return self.has_seen and self.spec.write in ("merge", "scd2")

    @property
    def provenance(self) -> dict[str, ColumnType]:
        """Engine columns that the table itself has."""
        columns: dict[str, ColumnType] = {}
        if self.spec.write == "scd2":
            columns |= {"valid_from": "timestamp", "valid_to": "timestamp", HASH: "string"}
        if self.spec.provenance:
            columns |= {PAGE: "bigint", RECORD: "bigint"}
        return columns

    def equal(self, left: str, right: str, key: tuple[str, ...] | None = None) -> str:
        """``left`` and ``right`` (aliases) agree on the key."""
        return " AND ".join(f"{left}.{quote(k)} = {right}.{quote(k)}" for k in key or self.spec.key)

    def old(self, left: str) -> str:
        """``left`` and the temporary table of known rows ``o`` agree on the key."""
        return " AND ".join(f"o.k{i} = {left}.{quote(k)}" for i, k in enumerate(self.spec.key))

    def seen_equal(self, left: str, seen: str) -> str:
        return " AND ".join(f"{seen}.{quote(seen_column(k))} = {left}.{quote(k)}" for k in self.spec.key)

    @property
    def seen_keys(self) -> str:
        return ", ".join(quote(seen_column(k)) for k in self.spec.key)

    @property
    def pick_keys(self) -> str:
        return ", ".join(f"p.k{i}" for i, _ in enumerate(self.spec.key))

    def keys(self, alias: str) -> str:
        return ", ".join(f"{alias}.{quote(k)}" for k in self.spec.key)

    def keys_as(self, alias: str, *, seen: bool = False) -> str:
        return ", ".join(f"{alias}.{quote(seen_column(k) if seen else k)} AS k{i}" for i, k in enumerate(self.spec.key))


def dump_spec(spec: TableSpec) -> str:
    """A declaration as JSON text."""
    return json.dumps(asdict(spec), default=list)


def load_spec(text: str) -> TableSpec:
    values = json.loads(text)
    for name in ("key", "hidden", "sensitive"):
        values[name] = tuple(values.get(name, ()))
    values["hash_without"] = frozenset(values["hash_without"])
    return TableSpec(**values)
