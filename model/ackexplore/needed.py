"""Is every rule needed? Switch each off, and look for the counterexample that its removal must have.

A rule whose removal breaks nothing is either not needed or not checked. The reverse is asked as well: with the rule
on, in the same configuration, every clause must hold.

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

from ackmodel import RULES, Clause, Config, Rule

from .engines import explore
from .trace import Trace, trace_json
from .values import as_json


@frozen(kw_only=True, eq=False)
class Finding:
    """What became of one rule: the shortest counterexample to each clause that must fall without it.

    `missing` are clauses of `Rule.breaks` that did not fall; `broken_with_rule` those that fell although it was on.
    """

    rule: Rule
    config: Config
    states: int
    counterexamples: Mapping[Clause, Trace]
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
            "lengths": {clause.value: len(trace) for clause, trace in self.counterexamples.items()},
            "counterexamples": {clause.value: trace_json(trace) for clause, trace in self.counterexamples.items()},
        }


def explore_rule(rule: Rule, base: Config | None = None) -> Finding:
    """Explore `base` (`Config()` if None) without a rule, under the settings that show what the rule is for."""
    return _explore_rule(rule, base or Config(), first_broken)


def explore_rules(
    base: Config | None = None,
    *,
    rules: Collection[Rule] = tuple(RULES.values()),
    done: Callable[[Finding], None] | None = None,
) -> tuple[Finding, ...]:
    """Explore `base` without each of the rules in turn; `done` is called with each finding as it comes."""
    known: dict[Config, tuple[Clause, ...]] = {}

    def remembered(config: Config) -> tuple[Clause, ...]:
        if config not in known:
            known[config] = first_broken(config)
        return known[config]

    findings = []
    for rule in rules:
        findings.append(_explore_rule(rule, base or Config(), remembered))
        if done is not None:
            done(findings[-1])
    return tuple(findings)


def first_broken(config: Config) -> tuple[Clause, ...]:
    """Return the clauses that fall first in a configuration; none if all hold."""
    return tuple(explore(config, stop_at="any").violations)


def _explore_rule(rule: Rule, base: Config, broken_with_rule: Callable[[Config], tuple[Clause, ...]]) -> Finding:
    config = base.dropping(rule)
    traces: dict[Clause, Trace] = {}
    states = 0
    for clause in rule.breaks:
        result = explore(config, stop_at=clause)
        states = max(states, result.states)
        if clause in result.counterexamples:
            traces[clause] = result.counterexamples[clause]
    return Finding(
        rule=rule,
        config=config,
        states=states,
        counterexamples=traces,
        missing=tuple(clause for clause in rule.breaks if clause not in traces),
        broken_with_rule=broken_with_rule(evolve(config, rules=base.without)),
    )
