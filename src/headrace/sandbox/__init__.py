"""A local server that behaves like APIs, faults included: ``headrace sandbox``, ``python -m headrace.sandbox``."""

from headrace.sandbox.faults import FAULTS, Fault, Rule, RuleError
from headrace.sandbox.options import Options
from headrace.sandbox.serve import serve
from headrace.sandbox.server import Server
from headrace.sandbox.thread import Sandbox, run_in_thread

__all__ = ["FAULTS", "Fault", "Options", "Rule", "RuleError", "Sandbox", "Server", "run_in_thread", "serve"]
