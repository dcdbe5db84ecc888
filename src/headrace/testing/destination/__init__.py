"""The destination contract, one concern a file; :mod:`headrace.testing.destination_suite` puts them together."""
