"""Pipelines over HTTP: ask for runs, watch them, look at what they made. ``headrace serve`` starts it."""
