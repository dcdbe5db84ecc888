"""How a run ended, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.core.tables import RunStatus

EXIT_CODES: Mapping[str, int] = {
    "done": 0, "failed": 1, "partial": 3, "suspect": 3, "interrupted": 130, "running": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StepSummary:
    """One step of a run. ``rows`` are rows written by this call, by table."""

    step: str
    status: RunStatus
    rows: Mapping[str, int]
    pages: int = 0


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """One quality check that this call made. ``examples`` are up to five failing rows as JSON."""

    step: str
    check: str
    kind: str
    table: str
    severity: str
    passed: bool
    result: float | None
    threshold: float | None
    message: str = ""
    examples: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """What :func:`headrace.run` returns.

    ``rows``, ``pages`` and ``requests`` count this call; ``cached`` are pages that a response kept from
    an earlier, killed call gave without a request; ``suspicions`` are (seen, remedy) pairs; ``seconds`` is
    wall time.
    """

    run_id: str
    pipeline: str
    destination: str
    status: RunStatus
    rows: Mapping[str, int] = field(default_factory=dict)
    pages: int = 0
    requests: int = 0
    cached: int = 0
    retries: int = 0
    seconds: float = 0.0
    resumed: bool = False
    steps: Sequence[StepSummary] = ()
    suspicions: Sequence[tuple[str, str]] = ()
    error: str = ""
    checks: Sequence[CheckSummary] = ()

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed, 3 partial or suspect, 130 interrupted."""
        return EXIT_CODES[self.status]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, as ``--json`` prints it."""
        return {**asdict(self), "exit_code": self.exit_code}
