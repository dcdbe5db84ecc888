"""Requests → pages: signing, throttling, retries, paging and decoding."""
