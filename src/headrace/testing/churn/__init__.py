"""Histories of an API whose records come and go, crawled in every way: what counts as removed is compared with the
truth after each crawl.

``python -m headrace.testing.churn --seeds 500`` looks for a seed in which a row counts as removed and is not, or is and
does not; ``--seed S`` plays one again and prints what happened.
"""
