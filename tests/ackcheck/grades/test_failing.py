"""When the machine fails, or the target does not work, it is said with what helps to see why; it is no finding."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackcheck.cli import main
from ackcheck.grades import failing, run_process_grade
from ackcheck.grades.session import Session
from ackcheck.panel import Fallen
from ackcheck.rig import RigError, TargetDied, room
from ackcheck.rig.errors import NoRoom, RigFailed
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken

TOYS = Path(__file__).with_name("toys.py")
DIES = "import sys\nsys.stdin.readline()\nprint('panic: no quorum', file=sys.stderr)\nsys.exit(9)"


def notes(error: RigError) -> str:
    return "\n".join(getattr(error, "__notes__", ()))


def test_a_target_that_dies_is_shown_with_its_last_words() -> None:
    with pytest.raises(TargetDied) as caught:
        run_process_grade([sys.executable, "-c", DIES], Level.DISK, seed=6, rounds=1)
    assert "in case 1 of grade process, seed 6; what came last:\n  opens the directory" in notes(caught.value)
    assert notes(caught.value).endswith("the target's last words:\n  panic: no quorum")
    ran = CliRunner().invoke(main, ["run", "--faults", "process", "--seed", "6", "--", sys.executable, "-c", DIES])
    assert ran.exit_code == 3
    assert "in case 1 of grade process, seed 6" in ran.stderr


def test_what_a_target_says_cannot_steer_the_terminal() -> None:
    steers = DIES.replace("panic", r"\x1b]0;owned\x07panic")
    ran = CliRunner().invoke(main, ["run", "--faults", "process", "--", sys.executable, "-c", steers])
    assert "panic: no quorum" in ran.stderr
    assert not {"\x1b", "\x07"} & set(ran.stderr)


def test_without_room_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LEAST", 1 << 62)
    with pytest.raises(NoRoom, match="TMPDIR"):
        run_process_grade(f"{TOYS}:Toy", Level.DISK, rounds=1)


def test_a_folder_that_is_named_and_cannot_be_is_not_passed_over_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/no/such/folder")
    for grade in ("process", "power", "damage"):
        ran = CliRunner().invoke(main, ["run", "--faults", grade, f"{TOYS}:Toy"])
        assert (ran.exit_code, "nothing can be written to /no/such/folder" in ran.stderr) == (3, True)


def test_a_target_whose_disk_is_full_is_given_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failing, "FULL", 1 << 62)
    with pytest.raises(TargetDied) as caught:
        run_process_grade([sys.executable, "-c", DIES], Level.DISK, seed=6, rounds=1)
    assert "is full: --disk-mib gives it a larger one" in notes(caught.value)


def test_what_breaks_without_room_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fills_up(session: Session) -> None:
        monkeypatch.setattr(room, "LEAST", 1 << 62)
        broken = Broken(Clause.FLUSH_DEGRADES, "still answered BUSY, on a disk that works")
        session.panel.told(Fallen((Level.DISK,), broken))

    monkeypatch.setattr(Session, "survey", fills_up)
    with pytest.raises(NoRoom) as caught:
        run_process_grade(f"{TOYS}:Toy", Level.DISK, rounds=1)
    assert "what came last" in notes(caught.value)


def test_what_the_system_refuses_the_rig_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(session: Session) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Session, "survey", full)
    with pytest.raises(RigFailed, match="No space left on device"):
        run_process_grade(f"{TOYS}:Toy", Level.DISK, rounds=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--server", "sleep 60"], "--server needs a TARGET"),
        (["--server", "/nowhere/broker --x", "a.py:b"], "no program '/nowhere/broker'"),
        (["--server", "'", "a.py:b"], "is no command"),
        (["--server", "", "a.py:b"], "no program ''"),
    ],
)
def test_a_server_that_cannot_be_is_usage(words: list[str], message: str) -> None:
    ran = CliRunner().invoke(main, ["run", *words])
    assert ran.exit_code == 2
    assert message in " ".join(ran.stderr.split())
