"""The built-in pipelines: each ``<name>.yml`` in this folder."""

from __future__ import annotations

from importlib.resources import files


def names() -> list[str]:
    """What ``headrace run NAME`` may name."""
    return sorted(entry.name.removesuffix(".yml") for entry in files(__name__).iterdir() if entry.name.endswith(".yml"))


def read(name: str) -> bytes:
    """The text of a built-in pipeline. Raises KeyError."""
    if name not in names():
        raise KeyError(name)
    return files(__name__).joinpath(f"{name}.yml").read_bytes()
