"""A run: its order, its lease, its record, its events."""
