"""A small simulated campaign, with the oracle: what is to kill the mutants that no test of their own kills.

By itself it says little that the tests of the suite do not say; `tests/mutants/run.py` runs it last.
"""

from __future__ import annotations

import pytest

from ackcheck.sim.campaign import run_sim_grade
from acklab.reference.simulated import ReferenceSetup
from ackmodel import CommitPolicy, Level


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("commit", CommitPolicy)
def test_a_campaign_finds_nothing(level: Level, commit: CommitPolicy) -> None:
    report = run_sim_grade(ReferenceSetup(levels=(level,), commit=commit), seed=1, cases=8)
    assert report.finding is None
