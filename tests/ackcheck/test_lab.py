"""What other packages add is found: in a checkout, in an install, and not at all without them."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackcheck import lab
from ackcheck.cli import main
from ackcheck.subject import Subject


@pytest.fixture(autouse=True)
def _afresh() -> object:
    named = lab.named
    named.cache_clear()
    yield
    named.cache_clear()


GROUPS = (lab.COMMANDS, lab.GRADES, lab.REFERENCE, lab.BUGS)


def test_a_checkout_that_is_not_installed_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "entry_points", lambda group: [])
    assert all(lab.named(group) for group in GROUPS)
    assert lab.reference().name == "the reference store"
    assert "old-segment-not-fsynced-on-rotation" in lab.known_bugs()


def test_an_install_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wheel has no pyproject.toml beside it."""
    monkeypatch.setattr(lab, "__file__", str(tmp_path / "site-packages" / "ackcheck" / "lab.py"))
    if not entry_points(group=lab.REFERENCE):
        pytest.skip("ackcheck is not installed, or an old one is: pip install -e .")
    assert lab.reference().name == "the reference store"


def test_a_package_of_somebody_else_may_add_to_each(monkeypatch: pytest.MonkeyPatch) -> None:
    added = EntryPoint("mine", "acklab.cli.bench:bench", lab.COMMANDS)
    monkeypatch.setattr(lab, "entry_points", lambda group: [added] if group == lab.COMMANDS else [])
    assert "mine" in CliRunner().invoke(main, ["--help"]).stdout
    assert "Measure the reference store" in CliRunner().invoke(main, ["mine", "--help"]).stdout


@pytest.mark.parametrize(
    "stated", ["[project]\nname = 'other'\n[project.entry-points.'ackcheck.commands']\na = 'b'\n", ""]
)
def test_the_project_of_somebody_else_around_us_states_nothing(
    stated: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(stated, encoding="utf-8")
    monkeypatch.setattr(lab, "__file__", str(tmp_path / "vendored" / "ackcheck" / "lab.py"))
    monkeypatch.setattr(lab, "entry_points", lambda group: [])
    assert lab.named(lab.COMMANDS) == {}


def test_without_a_reference_store_a_target_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "named", lambda group: {})
    with pytest.raises(lab.NoReference, match="name a target"):
        _ = Subject().name
    ran = CliRunner().invoke(main, ["run", "--faults", "process"])
    assert (ran.exit_code, "name a target" in ran.stderr) == (2, True)
    assert Subject(["./store"]).name == "./store"
