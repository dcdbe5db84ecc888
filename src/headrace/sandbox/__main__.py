"""``python -m headrace.sandbox``: prints its URL on the first line and serves until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from headrace.sandbox.faults import FAULTS
from headrace.sandbox.options import Options
from headrace.sandbox.serve import serve


def parser() -> argparse.ArgumentParser:
    default = Options()
    found = argparse.ArgumentParser(
        prog="python -m headrace.sandbox", description="A local server that behaves like APIs."
    )
    add = found.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--seed", type=int, default=default.seed, help="same seed and sizes, same bytes")
    add("--titles", type=int, default=default.titles, help="positions in the sapi catalogue")
    add("--records", type=int, default=default.records, help="records behind each /styles/...")
    add("--record-bytes", type=int, default=default.record_bytes, help="pad them to about this size")
    add("--page-size", type=int, help="records a page where the request does not say")
    add("--api-key", help="the only key accepted (a test key; by default any)")
    add("--api-version", choices=["v3", "v4"], default=default.api_version)
    add("--signatures", choices=["changing", "fixed"], default=default.signatures)
    add("--token-seconds", type=int, default=default.token_seconds)
    add("--token-uses", type=int, help="requests before an OAuth2 token is refused")
    add("--no-gzip", action="store_true")
    add("--latency", type=float, metavar="MS", help="each answer this late")
    add("--jitter", type=float, metavar="MS", default=0.0)
    add("--rate", type=float, metavar="N", help="token bucket: requests a second, else 429")
    add("--burst", type=int, metavar="N", default=10)
    add("--window", metavar="N/SECONDS", help="fixed window, such as 20/10, else 429")
    add(
        "--fault", action="append", default=[], metavar="RULE",
        help=f"a name, or a rule as JSON such as '{{\"fault\": \"reset\", \"nth\": 3}}'; one of {', '.join(FAULTS)}",
    )  # fmt: skip
    return found


def rules(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The fault rules that the options ask for."""
    found: list[dict[str, Any]] = []
    if arguments.latency is not None:
        found.append({"fault": "latency", "params": {"ms": arguments.latency, "jitter": arguments.jitter}})
    if arguments.rate is not None:
        found.append({"fault": "token_bucket", "params": {"rate": arguments.rate, "burst": arguments.burst}})
    if arguments.window is not None:
        requests, _, seconds = arguments.window.partition("/")
        found.append({"fault": "fixed_window", "params": {"requests": int(requests), "seconds": float(seconds)}})
    return found + [_rule(text) for text in arguments.fault]


def _rule(text: str) -> dict[str, Any]:
    """A rule as JSON, or a fault's name with the requests that its example strikes."""
    if text.lstrip().startswith("{"):
        return dict(json.loads(text))
    return {"fault": text, **(FAULTS[text].example if text in FAULTS else {})}


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        options = Options(
            seed=arguments.seed, titles=arguments.titles, records=arguments.records,
            record_bytes=arguments.record_bytes, page_size=arguments.page_size, api_key=arguments.api_key,
            api_version=arguments.api_version, signatures=arguments.signatures,
            token_seconds=arguments.token_seconds, token_uses=arguments.token_uses, gzip=not arguments.no_gzip,
            faults=tuple(rules(arguments)),
        )  # fmt: skip
        asyncio.run(
            serve(arguments.host, arguments.port, options=options, ready=lambda url: print(url, flush=True))  # noqa: T201  (the URL is this command's output)
        )
    except (OSError, OverflowError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
