"""The dashboard: server-rendered pages at ``/`` and ``/ui/``, with no build step and no request to elsewhere."""
