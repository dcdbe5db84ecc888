"""The kinds that a YAML ``type:`` may name: the modules of a package, then entry points.

The folder is the menu: ``sources/paginate/cursor.py`` holds the kind ``cursor``. A third party adds
a kind by an entry point in the group named after the package (``headrace.sources.paginate``).
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Kind(BaseModel):
    """A frozen model that YAML picks by its ``type`` key; the configuration is the object."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, arbitrary_types_allowed=True)


def type_names(kind: type[Kind]) -> tuple[str, ...]:
    """The names that YAML may call ``kind`` by; empty for an abstract base."""
    field = kind.model_fields.get("type")
    return tuple(str(name) for name in get_args(field.annotation)) if field else ()


def _descendants(base: type[Kind]) -> list[type[Kind]]:
    found: list[type[Kind]] = []
    for child in base.__subclasses__():
        found += [child, *_descendants(child)]
    return found


@cache
def _plugins() -> Any:  # its type differs between versions of Python
    """Every entry point there is: finding them means to open a file of each installed package."""
    return entry_points()


def load_plugins(group: str) -> None:
    """Import what other packages add to ``group``."""
    for entry in _plugins().select(group=group):
        entry.load()


@cache
def menu(package: str, base: type[Kind]) -> dict[str, type[Kind]]:
    """Every implementation of ``base`` by the names YAML gives it; imports the package's modules. In the order of
    the modules, whichever was imported first."""
    folder = importlib.import_module(package)
    place: dict[str, int] = {}
    for module in pkgutil.walk_packages(folder.__path__, package + "."):
        if not module.name.rsplit(".", 1)[-1].startswith("_"):
            importlib.import_module(module.name)
            place[module.name] = len(place)
    load_plugins(package)
    kinds = sorted(_descendants(base), key=lambda kind: place.get(kind.__module__, len(place)))
    return {name: kind for kind in kinds for name in type_names(kind)}


@dataclass(frozen=True)
class OneOf:
    """Annotates a base class with the package whose modules (and entry points) implement it."""

    package: str

    def __get_pydantic_core_schema__(self, base: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {name: handler.generate_schema(kind) for name, kind in menu(self.package, base).items()}
        return core_schema.tagged_union_schema(choices, discriminator="type")
