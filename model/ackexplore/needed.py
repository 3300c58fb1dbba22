"""Is every rule needed? Switch each off, and look for the counterexample that its removal must have.

A rule whose removal breaks nothing is either not needed or not checked. The reverse is asked as well: with the rule
on, in the same configuration, every clause must hold. For a clause in `Rule.stalls` the counterexample is a lasso: a
fair run that never comes to what the clause asks for.

>>> from ackmodel import rule_named
>>> finding = explore_rule(rule_named("sync-covers-what-it-found"))
>>> [trace] = finding.counterexamples.values()
>>> trace.broken[0].value, trace.actions[4:]
('flush-is-real', ('begin_sync', 'write_ack(0)', 'sync_ok'))
>>> finding.needed, finding.holds_with_rule
(True, True)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from attrs import evolve, frozen

from ackexplore.engines import explore
from ackexplore.graph.progress import ProgressFinding, check_progress
from ackexplore.options import Options
from ackexplore.trace import Trace, trace_json
from ackexplore.values import as_json
from ackmodel import RULES, Clause, Config, Rule
from ackmodel.spec.vacuity import AT_STAKE


@frozen(kw_only=True, eq=False)
class RuleFinding:
    """What became of one rule: the shortest counterexample, or a lasso, to each clause that must fall without it.

    `missing` are clauses of `Rule.falls` that did not fall; `broken_with_rule` those that fell although it was on.
    """

    rule: Rule
    config: Config
    states: int
    counterexamples: Mapping[Clause, Trace]
    lassos: Mapping[Clause, ProgressFinding]
    missing: tuple[Clause, ...]
    broken_with_rule: tuple[Clause, ...]

    @property
    def needed(self) -> bool:
        """Whether removing the rule breaks everything that it must break."""
        return not self.missing

    @property
    def holds_with_rule(self) -> bool:
        """Whether nothing is broken while the rule is on."""
        return not self.broken_with_rule

    def length(self, clause: Clause) -> int | None:
        """Return the number of steps until a clause falls, or of a lasso, its cycle included; None if it holds."""
        if clause in self.counterexamples:
            return len(self.counterexamples[clause])
        if clause not in self.lassos:
            return None
        lasso = self.lassos[clause].lasso
        return None if lasso is None else len(lasso.prefix) + len(lasso.cycle)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON types."""
        return {
            "rule": self.rule.name,
            "says": self.rule.says,
            "source": self.rule.source,
            "config": as_json(self.config),
            "needed": self.needed,
            "holds_with_rule": self.holds_with_rule,
            "missing": [clause.value for clause in self.missing],
            "broken_with_rule": [clause.value for clause in self.broken_with_rule],
            "lengths": {clause.value: self.length(clause) for clause in self.rule.falls if clause not in self.missing},
            "counterexamples": {clause.value: trace_json(trace) for clause, trace in self.counterexamples.items()},
            "lassos": {clause.value: found.as_json() for clause, found in self.lassos.items()},
        }


def explore_rule(rule: Rule, base: Config | None = None) -> RuleFinding:
    """Explore `base` (`Config()` if None) without a rule, under the settings that show what the rule is for."""
    return _explore_rule(rule, base or Config(), first_broken)


def explore_rules(
    base: Config | None = None,
    *,
    rules: Collection[Rule] = tuple(RULES.values()),
    done: Callable[[RuleFinding], None] | None = None,
) -> tuple[RuleFinding, ...]:
    """Explore `base` without each of the rules in turn; `done` is called with each finding as it comes."""
    known: dict[tuple[Config, tuple[Clause, ...]], tuple[Clause, ...]] = {}

    def remembered(config: Config, stalls: tuple[Clause, ...]) -> tuple[Clause, ...]:
        if (config, stalls) not in known:
            known[config, stalls] = first_broken(config, stalls)
        return known[config, stalls]

    findings = []
    for rule in rules:
        findings.append(_explore_rule(rule, base or Config(), remembered))
        if done is not None:
            done(findings[-1])
    return tuple(findings)


def unbreakable(findings: Collection[RuleFinding]) -> tuple[Clause, ...]:
    """Return the clauses of the model that fall without none of the rules: nothing shows that they are checked.

    >>> unbreakable([])[0].value
    'reply-after-stage'
    """
    fallen = {clause for finding in findings for clause in (*finding.counterexamples, *finding.lassos)}
    return tuple(clause for clause in AT_STAKE if clause not in fallen)


def first_broken(config: Config, stalls: tuple[Clause, ...] = ()) -> tuple[Clause, ...]:
    """Return the clauses that fall first in a configuration, or have a lasso although they are in `stalls`."""
    broken = tuple(explore(config, Options(stop_at="any")).violations)
    return broken or tuple(_lassos(config, stalls)[0])


def _lassos(config: Config, clauses: tuple[Clause, ...]) -> tuple[dict[Clause, ProgressFinding], int]:
    """Return the first lasso to each clause, and how many states were looked at."""
    if not clauses:
        return {}, 0
    result = explore(config)
    found: dict[Clause, ProgressFinding] = {}
    for finding in check_progress(result, clauses=clauses):
        if finding.lasso is not None:
            found.setdefault(finding.clause, finding)
    return found, result.states


def _explore_rule(
    rule: Rule, base: Config, broken_with_rule: Callable[[Config, tuple[Clause, ...]], tuple[Clause, ...]]
) -> RuleFinding:
    config = base.dropping(rule)
    traces: dict[Clause, Trace] = {}
    lassos, states = _lassos(config, rule.stalls)
    for clause in rule.breaks:
        result = explore(config, Options(stop_at=clause))
        states = max(states, result.states)
        if clause in result.counterexamples:
            traces[clause] = result.counterexamples[clause]
    return RuleFinding(
        rule=rule,
        config=config,
        states=states,
        counterexamples=traces,
        lassos=lassos,
        missing=tuple(clause for clause in rule.falls if clause not in traces and clause not in lassos),
        broken_with_rule=broken_with_rule(evolve(config, rules=base.without), rule.stalls),
    )
