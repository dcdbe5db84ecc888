"""The base of every step, and the menu of those that there are."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from headrace.core.kinds import load_plugins
from headrace.core.model import Model
from headrace.core.templates import names

if TYPE_CHECKING:
    from headrace.core.templates import Lookup
    from headrace.crawl.context import RunContext
    from headrace.crawl.plan import CrawlPlan, CrawlResult


class Step(Model):
    """The ``config`` of a step: configuration only. A module ``headrace.steps.<group>.<name>`` holds one."""

    processor: ClassVar[str] = ""
    """What YAML calls it: ``<group>.<name>``."""
    templated: ClassVar[tuple[str, ...]] = ()
    """Where ``{variables}`` are replaced, as dotted keys; ``*`` is every item. All texts below count."""
    sql_fields: ClassVar[tuple[str, ...]] = ()
    """Where the file writes SQL of its own, as dotted keys: a service may not allow it."""
    request_fields: ClassVar[frozenset[str]] = frozenset()
    """Dotted keys that determine what is asked for: a run cannot go on when they have changed."""
    mapping_fields: ClassVar[frozenset[str]] = frozenset()
    """Dotted keys that determine what is made of the answers: can change, by ``--adopt`` and replay."""

    prepares: ClassVar[bool] = False
    """Leaves nothing behind but what later steps of this call need (a secret): it runs in every call, whichever steps
    are chosen."""

    reads_files: ClassVar[bool] = False
    """Opens folders and buckets that its configuration names."""
    keeps_by_key: ClassVar[bool] = False
    """Writes rows that it has to find again, which takes a database."""

    @classmethod
    def variables(cls, text: str) -> Iterator[str]:
        """The variables that a templated text uses and the run has to give."""
        return names(text)

    def crawl_plan(self, step: str, title: str, lookup: Lookup) -> CrawlPlan | None:
        """What the step called ``step`` will crawl; ``None`` where it asks no API. ``lookup`` resolves the variables
        of the run."""
        return None

    async def run(self, step: str, title: str, ctx: RunContext) -> CrawlResult:
        """Do the work of the step called ``step``, from where its checkpoints stand. Raises HeadraceError
        after what was fetched is committed."""
        raise NotImplementedError


def _descendants(base: type[Step]) -> list[type[Step]]:
    return [found for child in base.__subclasses__() for found in (child, *_descendants(child))]


@cache
def processors() -> dict[str, type[Step]]:
    """Every step by its ``processor``: the modules of ``headrace.steps``, then the entry points of the same group."""
    folder = importlib.import_module("headrace.steps")
    for module in pkgutil.walk_packages(folder.__path__, "headrace.steps."):
        if not module.name.rsplit(".", 1)[-1].startswith("_"):
            importlib.import_module(module.name)
    load_plugins("headrace.steps")
    return {step.processor: step for step in _descendants(Step) if step.processor}
