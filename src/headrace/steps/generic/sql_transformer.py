"""``generic.sql_transformer``: a SELECT over the tables of the destination, and what becomes of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from headrace.sql import holes
from headrace.sql.library import Dialect
from headrace.steps.base import Step

if TYPE_CHECKING:
    from headrace.crawl.context import RunContext
    from headrace.crawl.plan import CrawlResult


class SqlTransformer(Step):
    """One SELECT, written in the dialect that its author knows and translated to the destination's. The result and
    the step's mark are one commit: after a kill there are both or neither."""

    processor: ClassVar[str] = "generic.sql_transformer"
    templated: ClassVar[tuple[str, ...]] = ("sql_template",)
    sql_fields: ClassVar[tuple[str, ...]] = ("sql_template",)
    sql_template: str = ""
    """The SELECT. ``'{name}'`` is a value with its own type, a name in quotes for identifiers may hold variables too;
    ``{project}`` and ``{dataset}`` are where the destination keeps its tables."""
    sql_file: str | None = None
    """A file with the SELECT, instead of ``sql_template``; relative to the pipeline file."""
    dialect: Dialect
    """What the SELECT is written in."""
    destination_table: str = ""
    """The table (or view) that it makes; by default the step's name."""
    write: Literal["overwrite", "append", "merge", "view"] = "overwrite"
    """``overwrite``: the table is the result. ``append``: its rows are added. ``merge``: they replace those with the
    same ``key``. ``view``: nothing is stored but the SELECT."""
    key: list[str] = Field(default_factory=list)
    """The columns that tell rows apart (``merge``)."""
    reads: list[str] = Field(default_factory=list)
    """Tables that are there already and that no step of this file makes (``table`` or ``schema.table``)."""

    @classmethod
    def variables(cls, text: str) -> Iterator[str]:
        """Comments have none; ``{project}`` and ``{dataset}`` are the destination's."""
        return holes.names(text)

    @model_validator(mode="after")
    def _consistent(self) -> SqlTransformer:
        if not self.sql_template.strip():
            raise ValueError("say what to select: sql_template: … or sql_file: …")
        if (self.write == "merge") != bool(self.key):
            raise ValueError("key goes with write: merge, and merge needs a key")
        if self.write == "view" and any(name.startswith("env.") for name in holes.names(self.sql_template)):
            raise ValueError("{env.NAME} in a view: its value would stand in the database; write: overwrite")
        return self

    def unfit(self, sql: str, target: str) -> str:
        """Why ``sql``, which is what the destination ``target`` is given, cannot be what ``write`` asks for; ``""``
        where it can."""
        if self.write == "view" and target == "sqlite" and "headrace_" in sql:
            return "this SELECT calls functions that only Headrace gives SQLite, so nobody else could read the view"
        return ""

    async def run(self, step: str, title: str, ctx: RunContext) -> CrawlResult:
        from headrace.steps.generic._transform import transform

        return await transform(self, step, title, ctx)
