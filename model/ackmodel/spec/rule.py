"""What a rule of the protocol is: one decision of a correct store, which can be switched off by name.

>>> rule = Rule("never-lie", "Say what is.", (Clause.REPLY_NEVER_FALSE,), stalls=(Clause.NO_LIMBO,))
>>> [clause.value for clause in rule.falls]
['reply-never-false', 'no-limbo']
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import field, frozen

from .clauses import Clause


class UnknownRule(ValueError):
    """A rule was named that the protocol does not have; the message offers the nearest names."""


def _frozen_mapping(items: Mapping[str, object]) -> Mapping[str, object]:
    return MappingProxyType(dict(items))


@frozen(eq=False)
class Rule:
    """One decision of the protocol.

    `says` is the rule in a sentence. `breaks` are the clauses that a step or a state breaks without it, `stalls` those
    that without it a fair run never comes to keep (`ackmodel.spec.liveness`). `shown_by` are the settings of
    `ackmodel.Config` (beyond its defaults) under which they are seen to fall, `source` who got it wrong.
    """

    name: str
    says: str
    breaks: tuple[Clause, ...] = ()
    shown_by: Mapping[str, object] = field(factory=dict, converter=_frozen_mapping)
    source: str = ""
    stalls: tuple[Clause, ...] = ()

    @property
    def falls(self) -> tuple[Clause, ...]:
        """Every clause that falls without the rule."""
        return self.breaks + self.stalls
