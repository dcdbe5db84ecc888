"""A seeded, single-threaded simulation of crawl, API and destination: one seed is one interleaving.

``python -m headrace.testing.simulate --seeds 1000`` looks for a seed that breaks a promise;
``--seed S`` plays one again and prints what happened.
"""
