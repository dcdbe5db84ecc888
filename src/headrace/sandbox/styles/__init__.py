"""Generic API styles under ``/styles/…``: one module a family, each with ``ROUTES``."""
