"""``generic.stage_loader``: staged files into tables, each file exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from headrace.core.model import Model
from headrace.steps.base import Step

if TYPE_CHECKING:
    from headrace.crawl.context import RunContext
    from headrace.crawl.plan import CrawlResult


class Loaded(Model):
    """A staged table, and where its rows go."""

    table: str = Field(min_length=1)
    """Its name in the stage."""
    into: str = ""
    """The table to load into; by default the same name."""
    write: Literal["append", "merge"] = "append"
    """``append``: every row is added. ``merge``: of the rows with one ``key`` the latest stays."""
    key: list[str] = Field(default_factory=list)
    """The columns that tell rows apart (``merge``)."""

    @model_validator(mode="after")
    def _consistent(self) -> Loaded:
        if (self.write == "merge") != bool(self.key):
            raise ValueError("key goes with write: merge, and merge needs a key")
        return self


class StageLoader(Step):
    """Load what runs have staged and no run of this step has loaded yet. Rows, the ledger ``headrace_loads`` and how
    far it got are one commit: after a kill each file is in the tables once or not yet. A file that is not what its
    manifest says is an error, before and after it was loaded."""

    processor: ClassVar[str] = "generic.stage_loader"
    templated: ClassVar[tuple[str, ...]] = ("stage",)
    reads_files: ClassVar[bool] = True
    keeps_by_key: ClassVar[bool] = True

    stage: str = Field(min_length=1)
    """Where the files are: a URL such as ``file:///stage`` or ``s3://bucket/prefix``."""
    tables: list[Loaded] = Field(default_factory=list)
    """What is loaded; by default every table that the stage has, by its own name."""

    @model_validator(mode="after")
    def _once(self) -> StageLoader:
        targets = [each.into or each.table for each in self.tables]
        doubled = sorted({name for name in targets if targets.count(name) > 1})
        if doubled:
            raise ValueError(f"more than one staged table goes into {doubled[0]!r}")
        return self

    async def run(self, step: str, title: str, ctx: RunContext) -> CrawlResult:
        from headrace.steps.generic._load import Loader

        return await Loader(self, step, title, ctx).run()
