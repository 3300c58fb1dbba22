"""What a configuration of a broker is expected to do under each kind of fault, and what of a run is new.

An expectation names effects (`ackcheck.effects`), not clauses: a log that must be repaired and an ack that comes back
break one clause, and only one of them is a loss. What breaks no promise of the configuration says so:

>>> Outcome.read("returned (no promise)"), str(Outcome(Effect.LOST, promised=True))
(Outcome(effect=<Effect.RETURNED: 'returned'>, promised=False), 'lost')
>>> refused, returned = Outcome.read("cannot open"), Outcome.read("returned")
>>> always = Configuration("always", {}, Level.DISK, "", {"power": {Fault.FAILED_SYNC: {refused}}})
>>> always.surprises("power", {Fault.POWER_LOSS: 5, Fault.FAILED_SYNC: 2}, {Fault.POWER_LOSS: {returned}})
['power loss: returned, which is new', 'failed sync: cannot open was expected, and did not come']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TypeAlias

from attrs import Factory, frozen

from ackcheck.effects import Effect
from ackcheck.findings import Finding
from ackcheck.hits import Fault
from ackcheck.promises import Promises
from ackmodel import Level

UNPROMISED = " (no promise)"


@frozen(order=True)
class Outcome:
    """What a fault did to a client, and whether the configuration promises that it does not."""

    effect: Effect
    promised: bool

    @classmethod
    def read(cls, text: str) -> Outcome:
        """Return the outcome that a profile names; raises `ValueError`."""
        return cls(Effect(text.removesuffix(UNPROMISED)), promised=not text.endswith(UNPROMISED))

    def __str__(self) -> str:
        """Return it as a profile names it."""
        return self.effect.value + ("" if self.promised else UNPROMISED)


ByFault: TypeAlias = Mapping[Fault, Set[Outcome]]


@frozen
class Configuration:
    """One way to run a broker, what it promises, and what is expected of it, by grade and fault."""

    name: str
    settings: Mapping[str, str]
    claims: Level | None
    """The level that it is documented to keep: what breaks stronger ones only is no broken promise of it. None where it
    is documented to lose what is in memory, messages too."""
    reason: str
    expect: Mapping[str, ByFault] = Factory(dict)
    """What must come of a fault that hits; of one that is not named nothing may come."""
    may: Mapping[str, ByFault] = Factory(dict)
    """What may come of it or not, as chance has it."""
    unreached: Set[Fault] = frozenset()
    """Faults that are known not to reach it, so that nothing can be said of them."""
    promises: Promises | None = None
    """What it promises, where that is not what the broker's other configurations do."""
    repair: bool = False
    """Whether the operator's repair step is run where it cannot be opened."""
    allows: Set[Effect] = frozenset()
    """What its documentation says may come of any fault, whatever it claims: that breaks no promise."""

    def promises_under(self, fault: Fault) -> bool:
        """Tell whether anything is promised to survive a fault."""
        if fault is Fault.CLEAN_RESTART or self.claims is Level.DISK:
            return True
        if self.claims is None:
            return False
        secured = self.promises is not None and (self.promises.barrier == "yes" or self.promises.loss_window > 0)
        crash = fault in (Fault.PROCESS_CRASH, Fault.STALLED_SYNC)
        return secured or (crash and self.claims is Level.PAGE_CACHE)

    def outcome_of(self, finding: Finding) -> Outcome:
        """Return what a finding on real files is, to who runs this configuration."""
        claimed = list(Level)[: list(Level).index(self.claims) + 1] if self.claims else []
        promised = any(level in claimed for level in finding.refutes)
        effect = Effect(finding.effect)
        return Outcome(effect, promised and effect not in self.allows)

    def outcomes(self, findings: Iterable[Finding]) -> dict[Fault, set[Outcome]]:
        """Return what came of each fault; what came before any counts as of a restart."""
        found: dict[Fault, set[Outcome]] = {}
        for finding in findings:
            fault = Fault(finding.fault or Fault.CLEAN_RESTART)
            found.setdefault(fault, set()).add(self.outcome_of(finding))
        return found

    def surprises(self, grade: str, seen: Mapping[Fault, int], found: ByFault) -> list[str]:
        """Return what was not expected, in either direction; `seen` says how often each fault was seen to hit."""
        must, may = self.expect.get(grade, {}), self.may.get(grade, {})
        told = []
        for fault in Fault:
            came, due = found.get(fault, frozenset()), must.get(fault, frozenset())
            new = came - due - may.get(fault, frozenset())
            told += [f"{fault.value}: {outcome}, which is new" for outcome in sorted(new)]
            if seen.get(fault):
                missing = sorted(due - came)
                told += [f"{fault.value}: {outcome} was expected, and did not come" for outcome in missing]
        return told

    def missed(self, tried: Sequence[Fault], seen: Mapping[Fault, int]) -> list[Fault]:
        """Return the faults that were tried and never seen to hit, though they are known to reach it."""
        return [fault for fault in tried if not seen.get(fault) and fault not in self.unreached]
