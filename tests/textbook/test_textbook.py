"""The catalogue is whole, and a few of its stores are judged as it says; `make textbook` judges all of them."""

import inspect
import os
import re
import signal
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest
from attrs import evolve
from click.testing import CliRunner
from tests.textbook.__main__ import FAULTS, Judged, judge, judge_all, load, main
from tests.textbook.catalogue import CATALOGUE, HERE, REFERENCE, SYNC, NoSuchStore, Textbook, named

from ackcheck.rig.serve import load_factory
from ackcheck.target import Target
from ackmodel import Level

pytestmark = pytest.mark.usefixtures("children_unmeasured")

IDS = [store.name for store in CATALOGUE]


def header(store: Textbook) -> str:
    """What the store says of itself."""
    if store.language == "Python":
        return inspect.getdoc(load_factory(store.target[0])) or ""
    files = (Path(word) for word in store.target if Path(word).is_file())
    text = store.source or next(files).read_text(encoding="utf-8")
    return text.partition("\n\n")[0]


def test_names_are_told_apart_and_both_kinds_are_there() -> None:
    assert len(set(IDS)) == len(IDS)
    assert {store.right for store in CATALOGUE} == {True, False}
    assert {store.language for store in CATALOGUE} == {"Python", "Node", "Go"}


@pytest.mark.parametrize("store", CATALOGUE, ids=IDS)
def test_each_says_whether_it_is_right_and_which_clause_must_refuse_it(store: Textbook) -> None:
    said = header(store)
    kind = "Neither" if store.server else "Right" if store.right else "Wrong"
    assert re.search(r"\b(Right|Wrong|Neither)\b", said)[0] == kind  # type: ignore[index]
    assert not store.server or "not judged" in said
    assert f"level {store.level.value}" in said or "every level" in said
    assert all(clause.value in said for clause in store.refused_by)


@pytest.mark.parametrize("store", [store for store in CATALOGUE if store.language == "Python"], ids=lambda s: s.name)
def test_each_python_store_is_a_target(store: Textbook) -> None:
    assert isinstance(load_factory(store.target[0])(), Target)


def test_no_store_shares_a_line_with_the_reference_store() -> None:
    for path in HERE.iterdir():
        if path.suffix == ".mjs" or path.name in {"files.py", "sqlite.py", "consumers.py", "sealed.py", "elsewhere.py"}:
            assert not re.search(r"^\s*(import|from) (ackstore|acklab)", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_a_store_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(NoSuchStore, match="no textbook store 'Nobody': there are WalFull"):
        named("Nobody")


def test_a_wrong_store_must_be_refused_by_its_own_clause() -> None:
    judged = Judged("NeverSyncs", 1, "broken", frozenset({"survives-power-loss", "no-limbo"}), 1.0)
    wrong = named("NeverSyncs")
    assert judged.as_expected_of(wrong)
    assert not evolve(judged, clauses=frozenset({"no-limbo"})).as_expected_of(wrong)
    assert not evolve(judged, outcome="not-judged").as_expected_of(wrong)
    assert not evolve(judged, outcome="not-judged", clauses=frozenset()).as_expected_of(named("WalFull"))


@pytest.mark.parametrize(
    ("outcome", "clauses", "words", "code"),
    [
        ("broken", {"survives-power-loss"}, ["--only", "NeverSyncs"], 0),
        ("broken", {"no-limbo"}, ["--only", "NeverSyncs"], 1),
        ("kept", set(), ["--only", "AppendLog"], 0),
        ("not-judged", set(), ["--only", "AppendLog"], 1),
        ("kept", set(), ["--only", "AppendLog", "--wrong"], 4),
    ],
)
def test_the_exit_code_says_whether_all_came_as_expected(
    outcome: str, clauses: set[str], words: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(store: Textbook, seed: int, *_: str) -> Judged:
        return Judged(store.name, seed, outcome, frozenset(clauses), 1.0)

    monkeypatch.setattr("tests.textbook.__main__.judge", judged)
    ran = CliRunner().invoke(main, ["--seeds", "2", *words])
    assert ran.exit_code == code
    assert ran.stdout.count('"outcome"') == (0 if code == 4 else 2)


def test_what_a_log_has_is_not_judged_again(tmp_path: Path) -> None:
    log = tmp_path / "judged.jsonl"
    before = Judged("NeverSyncs", 1, "broken", frozenset({"survives-power-loss"}), 1.5)
    log.write_text(f"{before.line}\n", encoding="utf-8")
    assert judge_all([(named("NeverSyncs"), 1)], FAULTS, jobs=2, log=log) == [before]


def test_the_reference_store_is_judged_at_each_level(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> CompletedProcess[bytes]:
        ran.append(command)
        return CompletedProcess(command, 3, stderr=b"no disk")

    monkeypatch.setattr("subprocess.run", run)
    assert [judge(store, 7).outcome for store in REFERENCE] == ["exit 3"] * len(Level)
    assert [command[command.index("--level") + 1] for command in ran] == [level.value for level in Level]
    assert not any("--" in command for command in ran)


def test_load_lasts_as_long_as_what_is_done_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Popen[bytes]] = []

    def begin(command: list[str]) -> Popen[bytes]:
        begun.append(Popen(command))
        return begun[-1]

    monkeypatch.setattr("subprocess.Popen", begin)
    with load():
        assert len(begun) == os.cpu_count()
        assert [process.poll() for process in begun] == [None] * len(begun)
    assert [process.returncode for process in begun] == [-signal.SIGKILL] * len(begun)


def test_a_store_whose_server_no_kill_reaches_is_not_judged() -> None:
    assert judge(named("Elsewhere"), 1, "process", "--stop-at-first").outcome == "not-judged"


def test_the_go_skeleton_without_its_syncs_has_none() -> None:
    assert SYNC.findall(named("skeleton.go").source) == ["s.log.Sync()", "folder.Sync()", "s.log.Sync()"]
    assert ".Sync" not in named("skeleton.go:unsynced").source


@pytest.mark.parametrize("name", ["SavesAtTheEnd", "KnowsNothing"])
def test_a_wrong_store_is_refused_without_any_power_loss(name: str) -> None:
    store = named(name)
    assert judge(store, 1, "process", "--stop-at-first").as_expected_of(store)
