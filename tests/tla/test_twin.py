"""The model, and the same written in TLA+ from its text: TLC finds in it what `ackexplore` finds in the model."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import fields
from tests.tla.cases import FEW_RULES, SMALL, without

from ackmodel import RULES, Config
from twin import MODULES, TlcFailed, by_ackexplore, by_tlc, missing, read, run, settings
from twin_runs import PROPERTIES, agrees, kept, stalled

tlc = pytest.mark.skipif(bool(missing()), reason=missing())


@tlc
@pytest.mark.no_cover
@pytest.mark.parametrize("name", SMALL)
def test_both_find_the_same(name: str) -> None:
    assert by_tlc(SMALL[name], quick=True) == by_ackexplore(SMALL[name])


@tlc
@pytest.mark.no_cover
@pytest.mark.parametrize("rule", FEW_RULES)
def test_both_find_the_same_broken_without_a_rule(rule: str) -> None:
    config = without(rule)
    counts = by_tlc(config, quick=True)
    assert counts == by_ackexplore(config)
    assert counts.broken


@tlc
@pytest.mark.no_cover
@pytest.mark.parametrize("rule", ["deadline-is-watched", "failure-ends-operation", "commit-without-traffic"])
def test_both_find_the_same_fair_runs_that_never_end_well(rule: str) -> None:
    config = without(rule)
    clauses = stalled(config)
    assert clauses == {clause.value for clause in RULES[rule].stalls}
    assert agrees(config, clauses)


@tlc
@pytest.mark.no_cover
def test_what_is_not_fair_may_never_happen(tmp_path: Path) -> None:
    modules = shutil.copytree(MODULES, tmp_path / "tla")
    text = (modules / "InTheEnd.tla").read_text(encoding="utf-8")
    (modules / "InTheEnd.tla").write_text(text.replace("WF_State(Up /\\ SyncDirectory)", "TRUE"), encoding="utf-8")
    assert kept(Config(), PROPERTIES)
    assert agrees(Config(), ["commit-progresses"], modules)


WRONG = {
    "a sync covers what was written while it ran": (
        "Protocol.tla",
        'Covered(record) == IF record.stage = "cached"',
        'Covered(record) == IF record.stage \\in {"cached", "suspect"}',
    ),
    "a power loss takes nothing": (
        "Environment.tla",
        'record.truth = "dirty" -> {Absent, onDisk}',
        'record.truth = "dirty" -> {onDisk}',
    ),
    "a clause says nothing": (
        "Clauses.tla",
        "FlushIsReal(m)   == \\A record",
        "FlushIsReal(m)   == TRUE \\/ \\A record",
    ),
}


@tlc
@pytest.mark.no_cover
@pytest.mark.parametrize("change", WRONG)
def test_a_difference_of_one_word_is_seen(change: str, tmp_path: Path) -> None:
    config = Config(sync_failures=1, power_losses=1, rules={"rewrite-after-failure": False})
    file, right, wrong = WRONG[change]
    modules = shutil.copytree(MODULES, tmp_path / "tla")
    text = (modules / file).read_text(encoding="utf-8")
    assert text.count(right) == 1
    (modules / file).write_text(text.replace(right, wrong), encoding="utf-8")
    assert by_tlc(config, modules, quick=True) != by_ackexplore(config)


@tlc
def test_what_tlc_cannot_read_is_said_with_its_own_words(tmp_path: Path) -> None:
    modules = shutil.copytree(MODULES, tmp_path / "tla")
    (modules / "Ladder.tla").write_text("---- MODULE Ladder ----\nAbsent == \n====\n", encoding="utf-8")
    with pytest.raises(TlcFailed, match="Parsing or semantic analysis failed"):
        by_tlc(Config(), modules, quick=True)


# --- without TLC ----------------------------------------------------------------------------------------------------


def constants() -> Iterator[str]:
    """The names that the module State declares as constants."""
    text = (MODULES / "State.tla").read_text(encoding="utf-8")
    for line in text.partition("CONSTANTS")[2].partition("VARIABLES")[0].splitlines():
        if not line.strip().startswith("\\*"):
            yield from (name.strip() for name in line.split(",") if name.strip())


def test_every_setting_is_a_constant_of_the_twin() -> None:
    given = [line.split(" = ")[0].strip() for line in settings(Config()).partition("CONSTANTS\n")[2].splitlines()]
    assert sorted(given) == sorted(constants())


def test_the_small_configurations_use_every_setting() -> None:
    ordinary = Config()
    unused = {
        item.name
        for item in fields(Config)
        if all(getattr(config, item.name) == getattr(ordinary, item.name) for config in SMALL.values())
    }
    assert unused == {"degrade_after"}


def test_what_tlc_prints_is_read() -> None:
    said = """<<"steps", [pop |-> 1, begin_sync |-> 2]>>
<< "broken",
   ( "flush-is-real" :> 104 @@
     "commit-is-safe" :> 30 ) >>
<<"distances", << >>>>
295 states generated, 158 distinct states found, 0 states left on queue.
The depth of the complete state graph search is 18.
"""
    counts = read(said)
    assert (counts.states, counts.edges, counts.depth) == (158, 294, 17)
    assert counts.steps == {"pop": 1, "begin_sync": 2}
    assert (counts.broken, counts.distances) == ({"flush-is-real": 104, "commit-is-safe": 30}, {})
    with pytest.raises(TlcFailed, match="did not say"):
        read(said.replace("generated", "made"))


@tlc
@pytest.mark.no_cover
def test_the_settings_beside_the_modules_are_for_tlc_alone(tmp_path: Path) -> None:
    text = (MODULES / "Ackcheck.cfg").read_text(encoding="utf-8")
    smaller, broken = tmp_path / "smaller.cfg", tmp_path / "broken.cfg"
    smaller.write_text(text.replace("Deliveries = 2", "Deliveries = 1"), encoding="utf-8")
    assert "4249 distinct states found" in run(smaller, "Ackcheck.tla", MODULES, quick=True)
    broken.write_text(text.replace("Without = {}", 'Without = {"recovery-keeps-offset"}'), encoding="utf-8")
    with pytest.raises(TlcFailed, match="EveryStep is violated"):
        run(broken, "Ackcheck.tla", MODULES, quick=True)
