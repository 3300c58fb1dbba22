"""Every rule of the protocol is needed: without it, each clause that it is there for falls."""

import pytest
from attrs import evolve

from ackexplore import explore_rule, explore_rules
from ackmodel import RULES, Clause, Config, Rule

LENGTHS = {
    "answer-after-write": {"reply-after-stage": 4, "survives-process-crash": 4},
    "answer-after-flush": {"reply-after-stage": 6},
    "failed-write-is-not-ok": {"reply-never-false": 5},
    "failed-write-is-not-stored": {"reply-never-false": 5},
    "timeout-is-unknown": {"reply-never-false": 4, "flush-is-real": 4},
    "failed-sync-is-not-flushed": {"flush-is-real": 4, "reply-never-false": 4},
    "sync-covers-what-it-found": {"flush-is-real": 7},
    "rewrite-after-failure": {"flush-rewrites": 7, "flush-is-real": 7},
    "suspect-written-during-sync": {"flush-rewrites": 9, "flush-is-real": 9},
    "rewrite-after-recovery": {"flush-rewrites": 8, "flush-is-real": 8},
    "recovered-is-cached": {"recovered-is-cached": 4, "flush-is-real": 4},
    "recovery-reads-acks": {"survives-process-crash": 8, "survives-power-loss": 11},
    "recovery-redelivers": {"no-limbo": 4},
    "callback-after-flush": {"survives-power-loss": 8},
    "commit-after-flush": {"commit-is-safe": 3, "derived-never-ahead": 4},
    "commit-in-order": {"commit-is-safe": 5},
    "recovery-keeps-offset": {"commit-is-monotone": 9},
    "offset-file-is-atomic": {"commit-is-monotone": 12},
    "settled-is-final": {"no-return": 8},
    "receipt-names-delivery": {"receipt-is-exact": 8},
    "late-result-is-ignored": {"reply-exactly-once": 5},
    "degrade-after-failures": {"flush-degrades": 5},
}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_without_the_rule_each_of_its_clauses_falls(rule: Rule) -> None:
    finding = explore_rule(rule)
    assert {clause.value: len(trace) for clause, trace in finding.counterexamples.items()} == LENGTHS[rule.name]
    assert finding.needed
    assert finding.holds_with_rule
    for clause, trace in finding.counterexamples.items():
        assert clause in trace.broken


def test_all_rules_at_once_report_each() -> None:
    told: list[str] = []
    chosen = [RULES["commit-after-flush"], RULES["commit-in-order"]]
    findings = explore_rules(rules=chosen, done=lambda finding: told.append(finding.rule.name))
    assert [finding.rule for finding in findings] == chosen
    assert told == ["commit-after-flush", "commit-in-order"]


def test_a_rule_without_a_counterexample_is_reported() -> None:
    idle = evolve(RULES["commit-in-order"], shown_by={"messages": 1})
    finding = explore_rule(idle)
    assert not finding.needed
    assert finding.missing == (Clause.COMMIT_IS_SAFE,)
    assert finding.as_json()["missing"] == ["commit-is-safe"]


def test_what_is_broken_anyway_is_reported() -> None:
    base = Config(rules={"commit-after-flush": False})
    finding = explore_rule(RULES["sync-covers-what-it-found"], base)
    assert not finding.holds_with_rule
    assert Clause.COMMIT_IS_SAFE in finding.broken_with_rule
