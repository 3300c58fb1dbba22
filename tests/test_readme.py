"""What the README shows is run."""

import doctest
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_example_of_the_readme_is_true() -> None:
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert (failed, tried > 20) == (0, True)
