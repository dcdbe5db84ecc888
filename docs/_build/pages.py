"""What the site is made of beside its Markdown: generated pages, help texts, and the blocks of a page.

MkDocs calls the ``on_…`` functions; ``tests/docs`` uses :func:`fences` to run every block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

_FENCE = re.compile(r"^```(?P<language>\w+)(?P<info>[^\n`]*)\n(?P<text>.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
_HELP = re.compile(r"^<!-- help: (\w+) -->$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """A block of code. ``info`` is what stands behind the language: ``file=a.yml``, ``no-run: why``."""

    line: int
    language: str
    info: str
    text: str

    def option(self, name: str) -> str | None:
        """The value of ``name=value`` in the info."""
        found = re.search(rf"(?:^|\s){name}=(\S+)", self.info)
        return found[1] if found else None


def fences(markdown: str) -> Iterator[Fence]:
    """The blocks of a page, in order."""
    for match in _FENCE.finditer(markdown):
        line = markdown.count("\n", 0, match.start()) + 1
        yield Fence(line, match["language"], match["info"].strip(), match["text"])


def help_text(name: str) -> str:
    """What ``headrace NAME --help`` prints, with its sub-commands'."""
    import importlib

    command: click.Command = importlib.import_module(f"headrace.cli.{name}").command
    return "\n".join(_help(command, f"headrace {name}"))


def _help(command: click.Command, name: str) -> Iterator[str]:
    with click.Context(command, info_name=name, max_content_width=88, terminal_width=88) as context:
        context.help_option_names = ["-h", "--help"]
        yield command.get_help(context)
        if isinstance(command, click.Group):
            for below in command.list_commands(context):
                inner = command.get_command(context, below)
                if inner is not None:
                    yield ""
                    yield from _help(inner, f"{name} {below}")


def on_files(files: Any, config: Any) -> Any:
    """Add the reference, written from the models."""
    from headrace.pipeline.reference import markdown
    from mkdocs.structure.files import File

    files.append(File.generated(config, "reference.md", content=markdown()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put help texts in, and leave out what only the tests read."""
    told = _HELP.sub(lambda match: f"```text\n{help_text(match[1])}\n```", markdown)
    return _FENCE.sub(lambda match: f"```{match['language']}\n{match['text']}```", told)
