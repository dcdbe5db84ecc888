"""Where a seed's data goes: the model, or a real database in memory, opened anew by each process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import Any

from headrace.core.contracts import Capabilities, Session
from headrace.core.tables import Checkpoint, RawPage
from headrace.destinations import from_url
from headrace.mapping.mapper import Mapper
from headrace.testing.destination.read import fetch
from headrace.testing.simulate.model import LightMapper, ModelSession, Store
from headrace.testing.simulate.scenario import RUN, Database


@dataclass
class Place:
    """A database that outlives the processes. ``mapper`` is what fits it."""

    kind: Database
    store: Store = field(default_factory=Store)
    mapper: Callable[..., Mapper] = LightMapper  # type: ignore[assignment]  # makes plain rows for the model
    capabilities: Capabilities = field(default_factory=Capabilities)
    _real: Any = None
    _open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def make(cls, kind: Database) -> Place:
        if kind == "model":
            return cls(kind)
        destination = from_url(f"{kind}:///:memory:")
        place = cls(kind, mapper=Mapper, capabilities=destination.capabilities())
        place._real = place._open.enter_context(destination.open())
        return place

    def session(self) -> Session:
        """What a process has that has just opened the database: it remembers nothing of earlier ones."""
        if self._real is None:
            return ModelSession(self.store)  # type: ignore[return-value]  # the part of it that a crawl needs
        fresh: Session = type(self._real)(self._real.db, self._real.place)
        return fresh

    def close(self) -> None:
        self._open.close()

    def pages(self) -> Iterator[RawPage]:
        if self._real is None:
            return iter(self.store.pages)
        pages: Iterator[RawPage] = self.session().raw_pages("pages")
        return pages

    def checkpoints(self) -> Sequence[Checkpoint]:
        return self.session().checkpoints(RUN)

    def table(self, name: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Rows of a real table."""
        return fetch(self.session(), f'SELECT {", ".join(columns)} FROM "{name}"')


@dataclass(frozen=True)
class Opening:
    """Stands for a :class:`~headrace.core.contracts.Destination` whose session is ready."""

    session: Any
    known: Capabilities

    def capabilities(self) -> Capabilities:
        return self.known

    def open(self) -> AbstractContextManager[Any]:
        return nullcontext(self.session)
