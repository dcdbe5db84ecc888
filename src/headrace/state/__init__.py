"""What a run remembers outside its destination; may be deleted at any time without losing data."""
