"""The table of the zoo is written by a command, and has a row for every bug."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from acklab.zoo import BUGS
from acklab.zoo.table import BEGIN, END, main, written
from acklab.zoo.unforeseen import UNFORESEEN
from ackmodel import Clause

PAGE = Path(__file__).parents[3] / "specs" / "zoo.md"


def test_no_bug_is_in_the_table_that_is_not_in_the_zoo_nor_said_to_be_missing_that_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table, rest = text.split(END)
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| sim", table, re.MULTILINE)
    assert rows
    assert set(rows) <= set(BUGS)
    missing = re.findall(r"^\| `([a-z0-9-]+)` \|", rest, re.MULTILINE)
    assert len(missing) == 8
    assert not set(missing) & set(BUGS)


def test_rows_take_the_place_of_those_that_were_there() -> None:
    text = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    assert written(text, ["a | b"]).splitlines()[-3:] == ["| a | b |", END, "below"]


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "zoo.md"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    name = "worker-aborted-on-shutdown"
    monkeypatch.setattr("acklab.zoo.table.BUGS", {name: BUGS[name]})
    ran = CliRunner().invoke(main, [str(page), "--seeds", "1", "--cases", "20"])
    assert ran.exit_code == 0, ran.output
    assert "| `worker-aborted-on-shutdown` | sim | close-drains (1) | 1 of 1 |" in page.read_text(encoding="utf-8")


def test_every_clause_has_a_store_that_nobody_had_in_mind() -> None:
    assert {clause for store in UNFORESEEN.values() for clause in store.breaks} == set(Clause)
    assert all(store.mechanism.endswith(".") for store in UNFORESEEN.values())
