"""The table of the zoo is written by a command, and has a row for every bug."""

import re
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from acklab.zoo import BUGS
from acklab.zoo.table import BEGIN, END, main, written
from acklab.zoo.unforeseen import UNFORESEEN
from ackmodel import Clause


class Inline(Executor):
    """Hunts in this process."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def submit(self, task: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(task(*args, **kwargs))
        return done


PAGE = Path(__file__).parents[3] / "specs" / "zoo.md"
WHY_NOT = PAGE.read_text(encoding="utf-8").split(END)[1].split("## Stores")[0]
KNOWN = Path(__file__).with_name("known_bugs.txt")
"""The names of the catalogue: 65 bugs of message brokers and logs."""


def test_no_bug_is_in_the_table_that_is_not_in_the_zoo_nor_said_to_be_missing_that_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table, rest = text.split(END)
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| sim", table, re.MULTILINE)
    assert rows
    assert set(rows) <= set(BUGS)
    missing = re.findall(r"^\| `([a-z0-9-]+)` \|", rest, re.MULTILINE)
    assert not set(missing) & set(BUGS)


def test_every_known_bug_is_in_the_zoo_or_it_is_said_why_not() -> None:
    known = KNOWN.read_text(encoding="utf-8").split()
    reasons = dict(re.findall(r"^\| `([a-z0-9-]+)` \| [^|]+ \| ([^|]+) \|$", WHY_NOT, re.MULTILINE))
    assert len(known) == len(set(known)) == 65
    assert set(known) == (set(known) & set(BUGS)) | set(reasons)
    assert len(set(BUGS) - set(known)) == 2  # BookKeeper's, with several logs
    assert all(len(reason.split()) > 10 for reason in reasons.values())


def test_rows_take_the_place_of_those_that_were_there() -> None:
    bugs = list(BUGS)
    text = f"above\n{BEGIN}\n| `{bugs[0]}` | old |\n| `{bugs[2]}` | old |\n| `no-bug` | old |\n{END}\nbelow\n"
    rows = [f"| `{bugs[0]}` | old |", f"| `{bugs[1]}` | new |", f"| `{bugs[2]}` | new |"]
    assert written(text, {bugs[2]: "new", bugs[1]: "new"}).splitlines()[-5:] == [*rows, END, "below"]


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "zoo.md"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    name = "worker-aborted-on-shutdown"
    monkeypatch.setattr("acklab.zoo.table.BUGS", {name: BUGS[name]})
    monkeypatch.setattr("acklab.zoo.table.ProcessPoolExecutor", Inline)
    command = [str(page), "--seeds", "1", "--cases", "20", "--log", str(tmp_path / "hunts.jsonl")]
    ran = CliRunner().invoke(main, command)
    assert ran.exit_code == 0, ran.output
    table = page.read_text(encoding="utf-8")
    assert "| `worker-aborted-on-shutdown` | sim | close-drains (1) | 1 of 1 |" in table
    monkeypatch.setattr(Inline, "submit", None)  # the campaign goes on: nothing is left
    assert CliRunner().invoke(main, command).exit_code == 0
    assert page.read_text(encoding="utf-8") == table


def test_every_clause_has_a_store_that_nobody_had_in_mind() -> None:
    assert {clause for store in UNFORESEEN.values() for clause in store.breaks} == set(Clause)
    assert all(store.mechanism.endswith(".") for store in UNFORESEEN.values())
