"""A bug of the zoo is caught by a clause it is known to break, and a store without a bug by none.

That every bug is seen, `zoo/test_seen.py` tests with the runs that are pinned; that every bug is found by chance too,
and how soon, is in the table of `specs/zoo.md` (`make zootable`). Here a few that fall soon are hunted.
"""

import pytest

from ackcheck.sim.shrink import shortest
from ackcheck.suite import LEVELS
from acklab.zoo import BUGS, UnknownBug, bug_named
from acklab.zoo.bug import Bug
from acklab.zoo.hunt import hunt
from ackmodel import Clause, CommitPolicy, Level
from ackstore.core.core import Core

CASES = 40

HUNTED = (
    "deferred-fsync-acks-before-durable",
    "worker-aborted-on-shutdown",
    "ack-success-despite-put-failure",
    "async-commit-captures-mutable-offsets",
    "offset-file-replaced-non-atomically",
    "late-ack-ignored-forever",
    "several-logs-share-one-mark-file",
)


@pytest.mark.no_cover  # the zoo is covered by its shortest runs
@pytest.mark.parametrize("name", HUNTED)
def test_a_bug_is_caught_by_a_clause_it_is_known_to_break(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackcheck.sim.campaign.shortest", lambda script, breaks: shortest(script, breaks, tries=40))
    monkeypatch.setattr("ackcheck.sim.campaign.simplest", lambda script, _breaks: script)
    caught = hunt(bug_named(name), seed=1, cases=CASES)
    assert caught.finding is not None, f"not caught in {caught.cases} cases"
    assert caught.finding.clause in caught.bug.breaks, caught.finding.why
    assert caught.finding.test
    assert caught.as_json()["caught"] is True


@pytest.mark.no_cover
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("commit", list(CommitPolicy))
def test_a_store_without_a_bug_is_not_caught(level: Level, commit: CommitPolicy) -> None:
    none = Bug("none", Core, tuple(Clause), "nobody", level=level, commit=commit)
    caught = hunt(none, seed=2, cases=3)
    assert (caught.caught, caught.finding, caught.cases >= 3) == (False, None, True)
    assert (caught.as_json()["caught"], caught.as_json()["clause"]) == (False, None)


def test_a_clause_that_the_bug_is_not_known_to_break_is_no_catch() -> None:
    known = bug_named("old-segment-not-fsynced-on-rotation")
    other = Bug(known.name, known.core, (Clause.FLUSH_DEGRADES,), known.source)
    caught = hunt(other, seed=1, cases=CASES, shorten=False)
    assert caught.finding is not None
    assert caught.caught is False


def test_every_bug_says_what_it_does_and_who_shipped_it() -> None:
    for bug in BUGS.values():
        assert bug.mechanism.endswith(".")
        assert bug.source
        assert bug.breaks


@pytest.mark.parametrize(
    ("name", "hint"), [("worker-aborted", "did you mean 'worker-aborted-on"), ("?", "the bugs are")]
)
def test_a_misspelt_bug_is_answered_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(UnknownBug, match=hint):
        bug_named(name)
