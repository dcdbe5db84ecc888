"""``integrations.kms_decrypt``: a stored credential into the run's secrets, for the steps after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from headrace.core.contracts import CredentialRef
from headrace.steps.base import Step

if TYPE_CHECKING:
    from headrace.crawl.context import RunContext
    from headrace.crawl.plan import CrawlResult


class KmsDecrypt(Step):
    """Open a credential and hold it in memory as a secret of the run; nothing of it is stored. A run that is resumed
    opens it again."""

    processor: ClassVar[str] = "integrations.kms_decrypt"
    prepares: ClassVar[bool] = True

    provider: str = Field(min_length=1)
    """Whose credential it is. Later steps find it under this name (``auth.provider``)."""
    context_key: str | None = Field(None, min_length=1)
    """A second name for it (``auth.secret_key``)."""

    async def run(self, step: str, title: str, ctx: RunContext) -> CrawlResult:
        from headrace.core import events
        from headrace.crawl.plan import CrawlResult

        ctx.emit(events.StepStarted(ctx.run_id, step, title, 0))
        if not ctx.offline:  # then no request is made, and no credential needed
            secret = ctx.secret(CredentialRef(self.provider))
            for name in (self.provider, self.context_key):
                if name:
                    ctx.keep_secret(name, secret)
        return CrawlResult("done", {}, 0, 0, 0, 0)
