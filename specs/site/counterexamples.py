"""The shortest counterexample to each clause: every rule is switched off in turn, and what falls first is kept.

>>> found = Counterexamples(["failed-sync-is-not-flushed"])
>>> from ackmodel import Clause
>>> found.of(Clause.FLUSH_IS_REAL).rule.name
'failed-sync-is-not-flushed'
>>> found.of(Clause.WRITTEN_ONCE)
"""

from collections.abc import Iterable

from attrs import frozen

from ackexplore.needed import explore_rule
from ackexplore.reports.page import lanes_table
from ackexplore.trace import Trace
from ackmodel import RULES, Clause, Rule, rule_named


@frozen
class Counterexample:
    """What breaks a clause: without which rule, and the steps. A lasso, if it only never comes to pass, has `again`."""

    rule: Rule
    trace: Trace
    again: tuple[str, ...] = ()

    @property
    def html(self) -> str:
        """The steps as a table, a step a row."""
        return lanes_table(self.trace)


class Counterexamples:
    """The shortest one of every clause."""

    def __init__(self, rules: Iterable[str] = tuple(RULES)) -> None:
        self._found: dict[Clause, Counterexample] = {}
        for name in rules:
            self._add(rule_named(name))

    def _add(self, rule: Rule) -> None:
        finding = explore_rule(rule)
        for clause, trace in finding.counterexamples.items():
            self._keep(clause, Counterexample(rule, trace))
        for clause, told in finding.lassos.items():
            if told.prefix is not None and told.cycle is not None:
                cycle = tuple(step.action for step in told.cycle.steps)
                self._keep(clause, Counterexample(rule, told.prefix, cycle or ("nothing",)))

    def _keep(self, clause: Clause, found: Counterexample) -> None:
        known = self._found.get(clause)
        if known is None or bool(known.again) > bool(found.again) or len(found.trace) < len(known.trace):
            self._found[clause] = found

    def of(self, clause: Clause) -> Counterexample | None:
        """Return the one of a clause; None where no rule of the model stands for it."""
        return self._found.get(clause)
