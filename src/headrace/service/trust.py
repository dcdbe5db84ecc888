"""What the runs of a service may reach, by whom their pipeline is from."""

from __future__ import annotations

from headrace.core.trust import Trust
from headrace.service.config import ServiceConfig


def trust_of(config: ServiceConfig, *, sent: bool) -> Trust:
    """Of a pipeline that was ``sent`` to the service; else of a built-in one or a file of ``pipelines``, which whoever
    runs the service has put there: those may hold SQL and read files of that folder."""
    folders = [*config.allowed_folders]
    if not sent and config.pipelines is not None:
        folders.append(config.pipelines)
    return Trust(
        allowed_hosts=tuple(config.allowed_hosts),
        public_hosts=config.public_hosts,
        allowed_env=frozenset(config.allowed_env),
        allowed_folders=tuple(folders),
        allow_sql=config.allow_sql or not sent,
        own_destination=False,
    )
