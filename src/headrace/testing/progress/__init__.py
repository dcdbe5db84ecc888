"""The contract of the service's store, one concern a file; :mod:`headrace.testing.progress_suite` puts them together."""
