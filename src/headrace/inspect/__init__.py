"""Looking before leaping, and at what was done: preview, plan, provenance."""
