"""What all tests of the suite share."""

import pytest

from ackcheck.grades import process


@pytest.fixture(autouse=True)
def no_more_restarts_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A case of the process grade ends with one restart in order, and not with four: seconds a test, of which few need
    the others, and set them again."""
    monkeypatch.setattr(process, "RESTARTS", ())
