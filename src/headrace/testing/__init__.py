"""The test kit for authors of plug-ins: contract suites and the real servers they run against.

Nothing in Headrace imports this package, and only this package imports pytest.
"""
