"""The fast path says what the model says after every small history; `tests.hunts.small_histories` goes further."""

import pytest
from tests.hunts.small_histories import apart

from ackcheck.trace.simple import Simple
from ackmodel import Level


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("level", "most", "under"), [(Level.MEMORY, 5, 1), (Level.PAGE_CACHE, 4, 2), (Level.DISK, 5, 1)]
)
def test_the_fast_path_knows_what_the_model_knows_after_every_small_history(
    level: Level, most: int, under: int
) -> None:
    told = apart(level, most, under)
    assert told.why == "", "\n".join(told.history)
    assert told.states > 2000


def test_a_fast_path_that_forgets_an_answer_is_told_with_its_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Simple, "_settle", lambda *_told: None)
    told = apart(Level.DISK, most=5, under=1)
    assert len(told.history) == 4
    assert '"result": "OK"' in told.history[-1]
    assert "the model" in told.why
