"""Steps that reach key services."""
