"""Errors are masked where they are, with all that their tracebacks show."""

from __future__ import annotations

import traceback

import pytest

from headrace.core.errors import PipelineFileError, RequestFailed
from headrace.secrets.mask import Masker
from headrace.secrets.scrub import scrub

TOKEN = "not-a-real-token-0123456789"


def fail() -> None:
    try:
        try:
            raise KeyError(f"no {TOKEN}")
        except KeyError:
            raise ExceptionGroup("several", [ValueError(TOKEN), PipelineFileError([f"a: {TOKEN}", "b"])]) from None
    except ExceptionGroup as several:
        raise RequestFailed(f"got {TOKEN}", body=TOKEN, hint=f"try {TOKEN}", place=TOKEN, status=500) from several


def test_everything_an_error_can_show() -> None:
    masker = Masker()
    masker.add(TOKEN)
    with pytest.raises(RequestFailed) as caught:
        fail()
    error = caught.value
    scrub(error, masker.mask_text)
    source_free = [line for line in traceback.format_exception(error) if "raise " not in line]
    assert TOKEN not in "".join(source_free) + repr(error) + repr(vars(error))
    assert (error.message, error.body, error.hint, error.place) == ("got ***", "***", "try ***", "***")
    assert error.status == 500
    several = error.__cause__
    assert isinstance(several, ExceptionGroup)
    problems = several.exceptions[1]
    assert isinstance(problems, PipelineFileError)
    assert problems.problems == ["a: ***", "b"]
    assert str(several.__context__) == "'no ***'"


def test_a_circle_of_errors_ends() -> None:
    first, second = ValueError("one " + TOKEN), ValueError("two")
    first.__context__, second.__context__ = second, first
    masker = Masker()
    masker.add(TOKEN)
    scrub(first, masker.mask_text)
    assert str(first) == "one ***"
