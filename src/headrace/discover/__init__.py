"""Drafts of pipeline files from what someone has: a URL, a curl command, a HAR file, an OpenAPI document."""
