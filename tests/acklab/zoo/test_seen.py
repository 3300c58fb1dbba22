"""Every pinned run breaks its clause, and only in the broken store; every clause and every bug has one."""

import pytest
from attrs import evolve

from ackcheck.sim.simulation import breaks
from acklab.reference.simulated import ReferenceSetup
from acklab.zoo import BUGS
from acklab.zoo.exhibits import EXHIBITS
from acklab.zoo.seen import SEEN, Seen
from ackmodel import Clause

ALL = {**BUGS, **EXHIBITS}


@pytest.mark.parametrize("seen", SEEN, ids=lambda seen: f"{seen.bug}-{seen.clause.value}")
def test_the_pinned_run_breaks_the_clause_and_only_in_the_broken_store(seen: Seen) -> None:
    bug = ALL[seen.bug]
    right = ReferenceSetup(levels=(bug.level,), commit=bug.commit, logs=bug.logs)
    right = evolve(right, max_attempts=seen.max_attempts, fastpath=seen.fastpath)
    run = breaks(evolve(right, core=bug.core, bug=bug.name), seen.script)
    assert run is not None, "the bug was not caught"
    assert run.broken is not None
    assert run.broken.clause is seen.clause, run.broken.why
    assert breaks(right, seen.script) is None


@pytest.mark.parametrize("clause", Clause)
def test_every_clause_has_an_exhibit(clause: Clause) -> None:
    assert [seen for seen in SEEN if seen.clause is clause]


@pytest.mark.parametrize("name", ALL)
def test_every_bug_was_seen(name: str) -> None:
    bug = ALL[name]
    assert bug.seen
    assert set(bug.seen) <= set(bug.breaks)
    assert not set(bug.seen) & set(bug.may_break)
