"""What ``rate_limit`` may say."""

from __future__ import annotations

from pydantic import Field, model_validator

from headrace.core.model import Model


class RateLimit(Model):
    """How fast, how many at once, how many in all, and how often to try again."""

    requests_per_second: float | None = Field(None, gt=0)
    """By default 10; ``requests`` with ``per_seconds`` replaces it."""
    requests: int | None = Field(None, ge=1)
    """Requests in any window of ``per_seconds``."""
    per_seconds: float | None = Field(None, gt=0)
    concurrency: int = Field(1, ge=1)
    """Requests in flight at once; more than 1 lets page and offset crawls run a window."""
    budget: int | None = Field(None, ge=1)
    """Stop cleanly (status ``partial``) after this many requests."""
    retry_on_429: bool = True
    max_retries: int = Field(3, ge=0)
    """Further attempts of one request."""
    max_wait: float = Field(900, gt=0)
    """Longest wait, in seconds, that a ``Retry-After`` may ask for before the run fails instead."""

    @model_validator(mode="after")
    def _window(self) -> RateLimit:
        if (self.requests is None) != (self.per_seconds is None):
            raise ValueError("requests and per_seconds go together, such as requests: 100, per_seconds: 60")
        if self.requests is not None and self.requests_per_second is not None:
            raise ValueError("give either requests_per_second, or requests with per_seconds")
        return self
