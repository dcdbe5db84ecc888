"""The YAML document: reading it, its model, its variables, its JSON Schema, and errors with their place."""
