"""``generic.quality_checks``: ask questions about tables, keep the answers, stop the run where one is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from headrace.core.kinds import OneOf
from headrace.core.model import Model
from headrace.steps.base import Step
from headrace.steps.checks._base import Check

if TYPE_CHECKING:
    from headrace.crawl.context import RunContext
    from headrace.crawl.plan import CrawlResult


class Keep(Model):
    """Where failing rows are kept, as JSON."""

    table: str = "DQ_FAILING_ROWS"
    rows: int = Field(100, ge=1, le=10_000)
    """At most so many of each check."""


class QualityChecks(Step):
    """Checks of tables. All of them are made, and their results stored; then, if one of severity ``fail`` did not
    pass, the run fails with what is wrong and five example rows. The steps behind it do not run."""

    processor: ClassVar[str] = "generic.quality_checks"
    templated: ClassVar[tuple[str, ...]] = ("checks.*.sql",)
    sql_fields: ClassVar[tuple[str, ...]] = ("checks.*.sql",)
    keeps_by_key: ClassVar[bool] = True

    checks: list[Annotated[Check, OneOf("headrace.steps.checks")]] = Field(min_length=1)
    """What is checked; each kind is explained on its own."""
    results: str = "DQ_CHECK_RESULTS"
    """The table of results: a row for each check and run."""
    keep: Keep | None = None
    """Keep failing rows in a table; by default only examples are shown."""
    sensitive: list[str] = Field(default_factory=list)
    """Further columns whose values are never shown or kept, beside those that tables mark ``sensitive``."""

    @model_validator(mode="after")
    def _names(self) -> QualityChecks:
        labels = [check.label for check in self.checks]
        doubled = sorted({label for label in labels if labels.count(label) > 1})
        if doubled:
            raise ValueError(f"more than one check is called {doubled[0]!r}: give one of them a name")
        if self.keep is not None and self.keep.table.casefold() == self.results.casefold():
            raise ValueError("results and keep.table are one table: choose another name")
        return self

    async def run(self, step: str, title: str, ctx: RunContext) -> CrawlResult:
        from headrace.steps.generic._quality import Gate

        return await Gate(self, step, title, ctx).run()
