"""Every rule of the protocol is needed: without it, each clause that it is there for falls."""

import pytest
from attrs import evolve

from ackexplore import explore_rule, explore_rules
from ackexplore.needed import unbreakable
from ackmodel import RULES, Clause, Config, Rule
from ackmodel.spec.vacuity import AT_STAKE

ENDS: dict[str, dict[str, tuple[int, str]]] = {
    "answer-after-write": {"reply-after-stage": (4, "answer_ack(0)"), "survives-process-crash": (4, "recover")},
    "answer-after-flush": {"reply-after-stage": (6, "answer_ack(0)")},
    "failed-write-is-not-ok": {"reply-never-false": (5, "fail_ack_write(0)")},
    "failed-write-is-not-stored": {"reply-never-false": (5, "fail_ack_write(0)")},
    "timeout-is-unknown": {"reply-never-false": (4, "sync_times_out"), "flush-is-real": (4, "sync_times_out")},
    "failed-sync-is-not-flushed": {"flush-is-real": (4, "sync_fails"), "reply-never-false": (4, "sync_fails")},
    "sync-covers-what-it-found": {"flush-is-real": (7, "sync_ok")},
    "rewrite-after-failure": {"flush-rewrites": (7, "sync_ok"), "flush-is-real": (7, "sync_ok")},
    "rewrite-to-new-blocks": {"flush-rewrites": (7, "sync_ok"), "flush-is-real": (7, "sync_ok")},
    "suspect-written-during-sync": {"flush-rewrites": (9, "sync_ok"), "flush-is-real": (9, "sync_ok")},
    "rewrite-after-recovery": {"flush-rewrites": (8, "sync_ok"), "flush-is-real": (8, "sync_ok")},
    "recovered-is-cached": {"recovered-is-cached": (4, "recover"), "flush-is-real": (4, "recover")},
    "recovery-reads-acks": {"survives-process-crash": (8, "recover"), "survives-power-loss": (11, "recover")},
    "recovery-redelivers": {"no-limbo": (4, "recover")},
    "callback-after-flush": {"survives-power-loss": (8, "power_loss")},
    "commit-after-flush": {"commit-is-safe": (3, "commit(0)"), "derived-never-ahead": (4, "write_offset")},
    "commit-in-order": {"commit-is-safe": (5, "commit(1)")},
    "recovery-keeps-offset": {"commit-is-monotone": (9, "recover")},
    "offset-file-is-atomic": {"commit-is-monotone": (12, "power_loss")},
    "settled-is-final": {"no-return": (8, "pop(0)")},
    "receipt-names-delivery": {"receipt-is-exact": (8, "late_ack(0)")},
    "late-result-is-ignored": {"reply-exactly-once": (5, "late_sync_ok")},
    "degrade-after-failures": {"flush-degrades": (5, "deliver(0)")},
    "wait-for-deadline": {"deadline-is-exact": (4, "pop(0)")},
    "recovery-reads-renewals": {"deadline-is-exact": (10, "pop(0)")},
    "release-ends-delivery": {"receipt-is-exact": (7, "late_ack(0)")},
    "expired-is-refused": {"receipt-is-exact": (5, "late_ack(0)")},
    "duplicate-changes-nothing": {"receipt-is-exact": (7, "duplicate_ack(0)")},
    "arguments-are-frozen": {"submitted-is-written": (6, "write_ack(0)")},
    "dead-letter-is-stored": {"no-limbo": (5, "bury(0)")},
    "limit-inflight": {"memory-is-bounded": (2, "pop(1)")},
    "refuse-after-failures": {"memory-is-bounded": (5, "pop(1)")},
    "failure-clears-inflight": {"quiescence-is-zero": (3, "close")},
    "close-drains": {"close-drains": (2, "close")},
    "close-hands-over": {"close-drains": (3, "close")},
    "merge-needs-both": {"close-drains": (13, "recover")},
    "retire-after-commit": {"retire-is-safe": (9, "retire(0)")},
    "reset-is-recorded": {"commit-is-monotone": (8, "reset_offset")},
    "reset-is-confirmed": {"commit-is-monotone": (8, "reset_lies")},
}
"""How many steps the shortest counterexample has, and its last: (steps, action)."""

STALLS: dict[str, dict[str, tuple[int, str]]] = {
    "probe-while-refusing": {"flush-degrades": (6, "sync_fails")},
    "deadline-is-watched": {"no-limbo": (8, "sync_directory")},
    "failure-ends-operation": {"reply-exactly-once": (2, "fail_checkpoint_write(0)")},
    "return-when-healthy": {"flush-degrades": (11, "sync_directory")},
    "flush-when-idle": {"flush-when-idle": (3, "deliver(0)")},
    "retry-after-failure": {"flush-when-idle": (4, "sync_fails")},
    "commit-without-traffic": {"commit-progresses": (8, "sync_ok")},
}
"""How many steps lead to where nothing happens any more, and the last of them."""


@pytest.mark.no_cover
@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_without_the_rule_each_of_its_clauses_falls(rule: Rule) -> None:
    finding = explore_rule(rule)
    traces, lassos = finding.counterexamples, finding.lassos
    ends = {clause.value: (len(trace), trace.actions[-1]) for clause, trace in traces.items()}
    assert ends == ENDS.get(rule.name, {})
    assert finding.needed
    assert finding.holds_with_rule
    for clause, trace in traces.items():
        assert clause in trace.broken
        assert finding.length(clause) == len(trace)
    stalls = {}
    for clause, found in lassos.items():
        assert found.prefix is not None
        assert found.cycle is not None
        stalls[clause.value] = (len(found.prefix), found.prefix.actions[-1])
        assert finding.length(clause) == len(found.prefix) + len(found.cycle)
    assert stalls == STALLS.get(rule.name, {})
    told = finding.as_json()
    assert (
        set(told["lengths"]) == {clause.value for clause in rule.falls} == {*told["counterexamples"], *told["lassos"]}
    )


@pytest.mark.parametrize("clause", AT_STAKE)
def test_every_clause_of_the_model_falls_without_some_rule(clause: Clause) -> None:
    """A clause that no switch can break is not checked, for all that anybody knows."""
    assert any(clause.value in ends for ends in (*ENDS.values(), *STALLS.values()))


def test_a_clause_that_no_rule_breaks_is_reported() -> None:
    findings = explore_rules(rules=[RULES["commit-in-order"], RULES["failure-ends-operation"]])
    missing = set(AT_STAKE) - {Clause.COMMIT_IS_SAFE, Clause.REPLY_EXACTLY_ONCE}
    assert set(unbreakable(findings)) == missing


def test_a_stall_that_is_there_anyway_is_reported() -> None:
    idle = explore_rule(RULES["retry-after-failure"], Config(rules={"flush-when-idle": False}))
    assert idle.broken_with_rule == (Clause.FLUSH_WHEN_IDLE,)
    other = explore_rule(RULES["deadline-is-watched"], Config(rules={"flush-when-idle": False}))
    assert other.broken_with_rule == ()


def test_a_rule_without_a_lasso_is_reported() -> None:
    healthy = explore_rule(evolve(RULES["return-when-healthy"], shown_by={}))
    assert healthy.missing == (Clause.FLUSH_DEGRADES,)
    assert healthy.length(Clause.FLUSH_DEGRADES) is None


def test_all_rules_at_once_report_each() -> None:
    told: list[str] = []
    chosen = [RULES["commit-after-flush"], RULES["commit-in-order"]]
    findings = explore_rules(rules=chosen, done=lambda finding: told.append(finding.rule.name))
    assert [finding.rule for finding in findings] == chosen
    assert told == ["commit-after-flush", "commit-in-order"]


def test_unless_told_otherwise_every_rule_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Rule] = []
    monkeypatch.setattr("ackexplore.needed._explore_rule", lambda rule, base, broken: tried.append(rule))
    explore_rules()
    assert tried == [*RULES.values()]


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
