"""The same through the command line, and through sinks that tell other systems."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.core.events import EventSink
from headrace.runner.telemetry import OpenLineage, OpenTelemetry, Prometheus
from headrace.secrets.mask import Masker
from headrace.testing.secrets import COMMANDS, SCENARIOS, Case, Secrets, hunt, hunt_commands

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
OAUTH = {"type": "oauth2", "provider": "HUNTED", "token_url": "{url}/token"}


def _client(secrets: Secrets) -> dict[str, str]:
    return {"client_id": "hunted-client", "client_secret": secrets.new("client")}


CASES = (
    Case("bearer", {"type": "bearer", "provider": "HUNTED"}, lambda s: s.new("key")),
    Case("query", {"type": "query", "param_name": "hunted_key", "provider": "HUNTED"}, lambda s: s.new("key")),
    Case("basic", {"type": "basic", "provider": "HUNTED"}, lambda s: f"user:{s.new('key')}"),
    Case("oauth2", OAUTH, _client),
    Case("stored", {"type": "bearer", "provider": "HUNTED"}, lambda s: s.new("key"), stored=True),
    Case("literal header", None, None, lambda s: {"headers": {"X-Api-Key": s.new("key")}}),
    Case("literal parameter", None, None, lambda s: {"params": {"api_key": s.new("key")}}),
    Case("literal form", None, None, lambda s: {"body": {"form": {"client_secret": s.new("key")}}, "safe": True}),
)


@pytest.mark.parametrize("name", ["echo", "404", "redirect with a secret in its path"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_command_tells(case: Case, name: str, tmp_path: Path) -> None:
    found = hunt_commands(case, BY_NAME[name], tmp_path)
    assert found.leaks == []
    assert "internal error" not in found.shown
    codes = dict(zip(COMMANDS, found.status.split(), strict=True))
    assert codes["check", "{file}"] == codes["runs",] == "0"
    ends = {command[0]: code for command, code in reversed(codes.items()) if command[0] in ("run", "raw", "why")}
    committed = name in ("echo", "404")  # these have a first page that is well
    assert ends == {"run": "0" if name == "echo" else "1", "raw": "02"[not committed], "why": "02"[not committed]}


@pytest.mark.parametrize("name", ["403", "redirect with a secret in its path", "echo in next links", "token refused"])
def test_no_sink_tells(name: str, tmp_path: Path) -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    def sinks(home: Path) -> tuple[EventSink, ...]:
        tracing = TracerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=spans)))
        return (
            Prometheus(home / "h.prom", every=0),
            OpenLineage(home / "lineage.jsonl"),
            OpenTelemetry(tracing, MeterProvider()),
        )

    case = CASES[3]
    with (tmp_path / "spans.json").open("w") as spans:
        found = hunt(Case(case.name, case.auth, case.credential, sinks=sinks), BY_NAME[name], tmp_path)
    assert found.leaks == []
    for path in ("home/h.prom", "home/lineage.jsonl", "spans.json"):
        text = (tmp_path / path).read_text()
        assert "hunted" in text
        found.secrets.search(path, text)
    assert found.leaks == []


@pytest.mark.parametrize(
    ("what", "scenario", "command"),
    [
        ("bytes", "403", ("preview", "{file}")),
        ("text", "redirect with a secret in its path", ("run", "{file}", "--json")),
    ],
)
def test_a_leaky_command_is_found(
    what: str, scenario: str, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Masker, f"mask_{what}", lambda self, given: (given, 0) if what == "bytes" else given)
    found = hunt_commands(CASES[0], BY_NAME[scenario], tmp_path, [command])
    assert "shown" in {leak.where for leak in found.leaks}
