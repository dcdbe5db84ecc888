"""Coverage-guided fuzzing of everything that reads what strangers wrote: pipeline files and answers.

``python -m headrace.testing.fuzz`` (``make fuzz``) needs atheris (``pip install atheris``); the targets and their seeds
(:mod:`headrace.testing.fuzz.targets`) do not, and the tests run them all. Nothing is imported here: only what is
imported under the fuzzer's eyes can guide it.
"""
