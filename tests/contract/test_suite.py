"""The suite itself: nothing in it hides another test, and gaps are strict."""

from __future__ import annotations

from collections import Counter

import pytest

from headrace.testing.destination_suite import DestinationSuite

pytest_plugins = ["pytester"]


def test_no_concern_hides_a_test_of_another() -> None:
    names = Counter(
        name for concern in DestinationSuite.__mro__[1:] for name in vars(concern) if name.startswith("test_")
    )
    assert [name for name, times in names.items() if times > 1] == []
    assert len(names) > 100


@pytest.mark.parametrize(("broken", "outcome"), [(True, "xfailed"), (False, "failed")])
def test_a_declared_gap_is_a_strict_expected_failure(pytester: pytest.Pytester, broken: bool, outcome: str) -> None:
    pytester.makepyfile(
        f"""
        from types import SimpleNamespace
        from headrace.core.contracts import Capabilities
        from headrace.testing.destination.target import DestinationTests, Target

        class TestGap(DestinationTests):
            def make(self, folder):
                gaps = {{"test_it": "cannot"}}
                return Target(SimpleNamespace(capabilities=lambda: Capabilities(gaps=gaps)), print)

            def test_it(self):
                assert not {broken}
        """
    )
    result = pytester.runpytest_inprocess("-o", "asyncio_default_fixture_loop_scope=function", "-p", "no:cacheprovider")
    result.assert_outcomes(**{outcome: 1})
