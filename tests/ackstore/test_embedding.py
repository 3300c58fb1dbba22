"""The page for those who embed the store is true: everything on it runs."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "specs" / "embedding.md"


def test_all_of_the_page_runs() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 10
    assert found.failed == 0
