"""The operator's repair step: what it mends is counted and no loss; what it does not mend is broken."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, define

from ackcheck.effects import Effect, effect_of
from ackcheck.grades.repairing import REPAIRED, start_repaired
from ackcheck.panel import Panel
from ackcheck.rig.apart import Apart
from ackcheck.rig.child import Child
from ackcheck.rig.errors import TargetDied
from ackmodel import Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.events import PowerLost

REFUSED = TargetDied(1, ["open"], "bad log")


@define
class Opening:
    """A session whose target does not open until it is repaired."""

    said: str | None
    helps: bool = True
    panel: Panel = Factory(lambda: Panel((Level.DISK,)))
    ran: Counter[str] = Factory(Counter)
    notes: list[str] = Factory(list)

    @property
    def child(self) -> Any:
        return self

    def repair(self) -> str | None:
        return self.said

    def note(self, lane: str, text: str) -> None:
        self.notes.append(text)

    def start(self) -> None:
        if not self.helps:
            raise REFUSED


def test_what_is_repaired_goes_on_and_is_counted() -> None:
    session: Any = Opening("cut off 12 bytes")
    start_repaired(session, PowerLost(), REFUSED)
    assert session.ran[REPAIRED] == 1
    assert session.panel.standing
    assert "bad log" in session.notes[0]
    assert "cut off 12 bytes" in session.notes[1]


@pytest.mark.parametrize(("said", "helps"), [(None, True), ("nothing", False)], ids=["no step", "does not help"])
def test_what_cannot_be_repaired_cannot_be_opened(said: str | None, helps: bool) -> None:
    session: Any = Opening(said, helps)
    with pytest.raises(Broken) as broken:
        start_repaired(session, PowerLost(), REFUSED)
    assert effect_of(broken.value) is Effect.CANNOT_OPEN
    assert not session.ran[REPAIRED]


def test_the_step_is_run_on_what_the_server_has_left(tmp_path: Path) -> None:
    step = ["sh", "-c", f"echo mended; touch {tmp_path}/mended"]
    with Apart([sys.executable, "-c", ""], server=["sleep", "60"], repair=step, directory=tmp_path) as target:
        assert target.repair() == "mended"
        assert target.pid is None
    assert (tmp_path / "mended").exists()
    assert Child(["true"]).repair() is None
