"""A pipeline file from what was found, with a comment wherever something was guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.discover.asked import Asked

_PLAIN = re.compile(r"[A-Za-z_$][\w $.@/+-]*[\w*]|[A-Za-z]")
_ENDS = ("more_path", "pages_path", "total_path", "total_header")
"""Keys of a pagination that end a crawl."""
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True)
class Draft:
    """What is known about one endpoint; ``notes`` are comments at the top of its step."""

    name: str
    source: str
    asked: Asked
    data_path: str
    data_note: str
    pagination: Mapping[str, Any]
    paging_note: str
    columns: Mapping[str, str]
    types: Mapping[str, str]
    key: str | None
    key_note: str
    more: Mapping[str, tuple[Any, str]]
    """Further keys of the step: value and comment."""
    notes: Sequence[str] = ()


def text_of(draft: Draft) -> str:
    """The YAML text; ends in a line break."""
    asked = draft.asked
    config = dict(asked.config)
    auth = config.pop("auth", None)
    lines = [
        f"# Drafted by `headrace new` from {_comment(draft.source)}. A comment says what was guessed, and from what.",
        *(f"# {_comment(note)}" for note in (*asked.notes, *draft.notes)),
        f"pipeline_id: {flow(draft.name)}",
        "destination: duckdb:///headrace.duckdb",
        "",
        "source:",
        f"  base_url: {flow(asked.base_url)}",
    ]
    if auth is not None:
        where = f"{auth['provider']}_API_KEY"
        said = " (as user:password)" if auth["type"] == "basic" else ""
        lines += [
            f"  # The key is not in this file: put it into the environment as {where}{said}.",
            f"  auth: {flow(auth)}",
        ]
    for name in asked.environ:
        lines.append(f"  # {name} of the environment holds a value that has the look of a secret.")
    lines += ["", "steps:", f"  - step: {flow(draft.name)}", "    processor: generic.api_extractor", "    config:"]
    lines += [f"      {name}: {flow(value)}" for name, value in config.items()]
    lines += [f"      # {_comment(draft.paging_note)}"]
    answered = draft.paging_note.startswith("As answered")
    if not answered and (ends := [str(draft.pagination[key]) for key in _ENDS if key in draft.pagination]):
        lines += [
            f"      # Guessed: the end is where {_comment(' or '.join(ends))} says; a wrong place ends too early."
        ]
    lines += [f"      pagination: {flow(dict(draft.pagination))}"]
    lines += [f"      # {_comment(draft.data_note)}", f"      data_path: {flow(draft.data_path)}"]
    for name, (value, note) in draft.more.items():
        lines += [f"      # {_comment(note)}", f"      {name}: {flow(value)}"]
    lines += ["      tables:", f"        - table: {flow(draft.name)}"]
    lines += [f"          # {_comment(draft.key_note)}"]
    if draft.key is not None:
        lines.append(f"          key: [{flow(draft.key)}]")
    if draft.columns:
        lines.append(
            "          # The fields of the records seen; others stay in the archive until they are named here."
        )
    lines.append("          columns:" if draft.columns else "          # Without columns: every field becomes one.")
    width = max((len(f"{flow(name)}: {flow(path)}") for name, path in draft.columns.items()), default=0)
    for name, path in draft.columns.items():
        entry = f"{flow(name)}: {flow(path)}"
        seen = draft.types.get(name, "")
        lines.append(f"            {entry:<{min(width, 60)}}  # {seen}" if seen else f"            {entry}")
    return "\n".join(lines) + "\n"


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=True)


def _comment(text: str) -> str:
    return re.sub(r"[^\x20-\x7e\xa1-\ud7ff]+", " ", text)[:300]


def name_of(path: str) -> str:
    """What a step is called: the last word of a path that is neither a version nor an id."""
    words = [re.sub(r"\W+", "_", w).strip("_").lower() for w in path.split("/") if "{" not in w]
    words = [
        w.removesuffix("_json")
        for w in words
        if re.search(r"[a-z]", w) and not re.fullmatch(r"v\d+|api|rest|json|.{30,}|[0-9a-f]{8,}", w)
    ]
    name = words[-1] if words else "records"
    return name if re.match(r"[a-z_]", name) else f"records_{name}"
