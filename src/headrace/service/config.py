"""What a service may do and where it listens: a YAML file, the environment, options of the command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from headrace.core.errors import InputError, UsageError
from headrace.core.hosts import host_rules
from headrace.core.model import Model
from headrace.core.suggest import did_you_mean


class ServiceConfig(Model):
    """The configuration of ``headrace serve``. Every field has a default: without a file the service runs the built-in
    pipelines into ``tvshows.db`` and listens on this machine only."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    destinations: dict[str, str] = Field(default={"tvshows": "sqlite:///tvshows.db"}, min_length=1, repr=False)
    """Databases by the name that requests use; a request never holds a URL."""
    default_destination: str | None = None
    """Where runs go that name none; by default the first of ``destinations``."""
    default_pipeline: str = "tvmaze"
    """What an update without a pipeline runs."""
    pipelines: Path | None = None
    """Folder of pipeline files (NAME.yml) to offer beside the built-in ones."""
    state: Path | None = None
    """Folder of runs, tokens and answers kept; by default as for the other commands."""
    progress: str | None = Field(None, repr=False)
    """URL of the store that several instances share (redis://, postgresql://); by default a file in ``state``."""
    file_schedules: bool = False
    """Whether the ``schedule`` of a pipeline file becomes a schedule of the service, under the pipeline's name."""
    max_runs: int = Field(4, ge=1, le=100)
    """Runs at the same time in this instance; others wait."""
    lease_seconds: float = Field(10.0, ge=1.0, le=600.0)
    """After this long without a sign of life, an instance's runs are taken over."""
    drain_seconds: float = Field(20.0, ge=0.0, le=3600.0)
    """How long a stopping service lets its runs commit what they have."""
    rewrite: dict[str, str] = Field(default_factory=dict)
    """Sends requests for a host to another base URL, such as a sandbox."""
    secrets_file: Path | None = None
    """File of secrets (TOML or NAME=value lines) for runs of the organisation `default`; others store theirs."""

    require_keys: bool | None = None
    """Whether every request needs an API key; by default when others than this machine can reach the service, and as
    soon as there is a key."""
    server_names: list[str] = Field(default_factory=list)
    """Names that browsers may call the service by (the Host header, without port); by default those of this machine
    while it listens there only, any where every request needs a key, else this machine's name and any address."""
    max_body: int = Field(1_000_000, ge=1_000, le=100_000_000)
    """Bytes of a request's body."""
    requests_per_second: float = Field(500.0, gt=0)
    """Requests of one key, and of one address; twice as many at once."""
    allowed_hosts: list[str] = Field(default_factory=list)
    """Hosts that pipelines may reach although they are at an address that is not public: api.internal,
    http://10.0.0.5:8080, *.example.com."""
    public_hosts: bool = True
    """Whether pipelines may reach hosts at public addresses that ``allowed_hosts`` does not name."""
    allowed_env: list[str] = Field(default_factory=list)
    """Environment variables that pipelines may read as {env.NAME}."""
    allowed_folders: list[Path] = Field(default_factory=list)
    """Folders that pipelines may read files from, beside ``pipelines``."""
    allow_sql: bool = False
    """Whether pipelines that are sent to the service may hold SQL; those of ``pipelines`` always may."""

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, hosts: list[str]) -> list[str]:
        try:
            host_rules(hosts)
        except InputError as error:
            raise ValueError(f"{error.message}; {error.hint}") from None
        return hosts

    @model_validator(mode="after")
    def _default_is_there(self) -> ServiceConfig:
        if self.default_destination is not None and self.default_destination not in self.destinations:
            raise ValueError(
                f"default_destination {self.default_destination!r} is none of {', '.join(self.destinations)}"
            )
        return self

    def destination(self, name: str | None) -> tuple[str, str]:
        """Name and URL of the destination called ``name``, or of the default one. Raises InputError."""
        found = name or self.default_destination or next(iter(self.destinations))
        if found not in self.destinations:
            raise InputError(
                f"no destination {found!r}{did_you_mean(found, self.destinations)}",
                hint=f"destinations of this service: {', '.join(self.destinations)}",
            )
        return found, self.destinations[found]


_VARIABLES: Mapping[str, str] = {"REDIS_URL": "progress", "HEADRACE_PROGRESS": "progress"}
"""Environment variables that set a field; the later one wins, a file or an option over both."""


def read_config(file: Path | None = None, *, environ: Mapping[str, str] | None = None, **options: Any) -> ServiceConfig:
    """The configuration from ``file``, the environment and ``options`` that are not ``None``, which win. Relative paths
    of the file are relative to it. Raises UsageError with every problem."""
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {field: environ[name] for name, field in _VARIABLES.items() if environ.get(name)}
    if file is not None:
        values |= _of_file(file)
    values |= {name: value for name, value in options.items() if value is not None}
    try:
        return ServiceConfig.model_validate(values)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'configuration'}: {e['msg']}" for e in error.errors()]
        known = ", ".join(ServiceConfig.model_fields)
        raise UsageError("\n".join(lines), hint=f"fields: {known}", place=str(file or "serve")) from None


def _of_file(file: Path) -> dict[str, Any]:
    from headrace.pipeline.yaml import read

    try:
        text = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the configuration: {error.strerror}", place=str(file)) from None
    found = dict(read(text, str(file)).data)
    for name in ("pipelines", "state", "secrets_file"):
        if isinstance(found.get(name), str):
            found[name] = file.parent / Path(found[name]).expanduser()
    if isinstance(found.get("allowed_folders"), list):
        found["allowed_folders"] = [file.parent / Path(str(each)).expanduser() for each in found["allowed_folders"]]
    return found
