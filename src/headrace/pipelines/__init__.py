"""Built-in pipelines, each a YAML file; its stand-in for the sandbox lies beside it."""
