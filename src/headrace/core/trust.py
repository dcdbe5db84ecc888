"""What a run may reach beyond its own request: hosts, environment, files, SQL.

The command line and the library trust their user: :data:`EVERYTHING`. A service runs what others ask for, and names
what that may reach. The fields are called as the service's configuration calls them, so that an error can name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.core.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Trust:
    """``None`` of a field is "any"; the default allows everything and costs nothing."""

    allowed_hosts: tuple[str, ...] | None = None
    """Hosts that may be at any address, as :func:`~headrace.core.hosts.host_rules` reads them; all others have to be
    at a public one, which is checked at the address that is connected to."""
    public_hosts: bool = True
    """Whether hosts that are not named may be reached at all."""
    allowed_env: frozenset[str] | None = None
    """The variables that ``{env.NAME}`` may read. Where they are named, credentials come from the organisation's
    stored ones and from what the run is given, never from the environment or a file."""
    allowed_folders: tuple[Path, ...] | None = None
    """Where files may be: pipelines, templates, secrets. Links are followed first."""
    allow_sql: bool = True
    """Whether a pipeline file may hold SQL of its own."""
    own_destination: bool = True
    """Whether a pipeline file may say where its tables go."""

    def check_env(self, name: str, *, place: str = "") -> None:
        """Raises NotAllowed for a variable of the environment that may not be read."""
        if self.allowed_env is not None and name not in self.allowed_env:
            raise NotAllowed(
                f"{{env.{name}}}: pipelines may not read this variable here",
                hint=f"to allow it: allowed_env: [{name}] in the service's configuration",
                place=place,
            )

    def readable(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """The part of ``environ`` that may be read."""
        if self.allowed_env is None:
            return environ
        return {name: environ[name] for name in self.allowed_env if name in environ}

    def file(self, path: Path, *, what: str = "file") -> Path:
        """``path`` itself where every file may be read; else what it leads to, links and ``..`` followed. Raises
        NotAllowed when that lies in none of ``allowed_folders``."""
        if self.allowed_folders is None:
            return path
        there = path.resolve()
        if any(there.is_relative_to(folder.resolve()) for folder in self.allowed_folders):
            return there
        raise NotAllowed(
            f"the {what} {path.name!r} is outside the folders that may be read here",
            hint="to allow it: put it into the folder of pipelines, or name its folder in allowed_folders of the "
            "service's configuration",
        )


EVERYTHING = Trust()
"""The trust of the command line and the library in their user."""
