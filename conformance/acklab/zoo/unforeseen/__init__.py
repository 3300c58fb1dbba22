"""Wrong stores that nobody had in mind when the simulation's faults were made: one a clause at least.

The zoo says whether the suite finds the bugs it was built to find. These say whether it finds others: each was written
by reading a sentence of a clause and breaking just that, without a look at what the simulation does, and before its
faults were tuned. So what is caught of them is an estimate of what would be caught of yours. They are not to be tuned
for: whoever mends the generator because of one of them writes another.

>>> UNFORESEEN["joins-at-once"].breaks
(<Clause.REPLY_AFTER_STAGE: 'reply-after-stage'>,)
"""

from acklab.zoo.bug import zoo_of
from acklab.zoo.unforeseen import answers, costs, deliveries, durability, offsets

UNFORESEEN = zoo_of((*answers.STORES, *durability.STORES, *offsets.STORES, *deliveries.STORES, *costs.STORES))
"""Every one of them by its name; `breaks` is the clause that the broken sentence is of, `source` the sentence."""

__all__ = ["UNFORESEEN"]
