"""What the README shows is run."""

import doctest
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackcheck.cli import main

ROOT = Path(__file__).parents[1]
DEMO = re.compile(
    r"^    ackcheck (?P<command>bugs .*--clause .*)\n\n```text\n(?P<shown>.*?)^```$", re.MULTILINE | re.DOTALL
)
"""The command of the README that shows a bug, and what of its output stands below; `...` where lines are left out."""


def test_every_example_of_the_readme_is_true() -> None:
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert (failed, tried > 20) == (0, True)


def test_the_demo_is_what_its_command_prints_and_shows_how_an_ack_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order: the ack, its OK, the sync that fails, the one that does not, the power cut, the message again."""
    monkeypatch.setenv("COLUMNS", "80")
    found = DEMO.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    ran = CliRunner().invoke(main, found["command"].split())
    assert ran.exit_code == 0
    printed = "\n".join(line.rstrip() for line in ran.stdout.splitlines())
    at = 0
    for part in found["shown"].split("...\n"):
        at = printed.find(part, at)
        assert at >= 0, part
    told = (" ack ", "3 is answered OK", "EIO", "seg: ok", "4 is answered OK", "power goes", "5 is answered OK: [0]")
    places = [found["shown"].find(each) for each in told]
    assert places == sorted(places)
    assert -1 not in places
