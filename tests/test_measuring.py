"""What is not to be measured is not: of code that a test runs without coverage no line is traced."""

import sys

import pytest


@pytest.mark.no_cover
def test_no_cover_leaves_no_tracer() -> None:
    assert sys.gettrace() is None
