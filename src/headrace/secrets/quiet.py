"""The debug logs of cloud clients, which hold what is kept out of ours."""

from __future__ import annotations

import logging


def no_bodies(name: str) -> None:
    """Keep the library called ``name`` from logging what it sends and gets: keys and secrets stand in it, whole.
    Its warnings stay."""
    logger = logging.getLogger(name)
    if logger.getEffectiveLevel() < logging.INFO:
        logger.setLevel(logging.INFO)
