"""Which of the possible worlds need not be kept, because another one allows whatever they allow.

The contract asks whether *some* world allows what is observed, now and later. So a world may go if another *dominates*
it: if whatever may be observed from now on in the one, may be in the other too. `specs/worlds.md` says why what is
compared here is enough for that.

>>> held, acked = World("r1", 30.0, asked=frozenset({UNHEARD})), World("r1", 30.0, settled=Settled.CACHED, by=UNHEARD)
>>> undominated({held, acked}) == {held}      # the ack may still take effect
True
>>> undominated({acked, World()}) == {acked, World()}
True
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from functools import reduce

from attrs import evolve

from .remembered import remembered
from .worlds import UNHEARD, Change, Lease, Settled, World, drift

MANY = 64
"""Worlds of one message that are kept apart. Beyond, those that are alike become one that allows what each allows."""

_HEARD: frozenset[int] = frozenset({UNHEARD})


def undominated(worlds: Iterable[World]) -> frozenset[World]:
    """Return the worlds without those that another one dominates; of more than `MANY`, what `joined` makes of them."""
    left = _best_of(worlds, lambda one, other: _may_settle_so(one, other) and _allows_more(one, other))
    return left if len(left) <= MANY else joined(left)


def undominated_now(worlds: Iterable[World]) -> frozenset[World]:
    """Return the same of worlds in which nothing more takes effect before the next observation."""
    return _best_of(worlds, lambda stronger, weaker: _settled_so(stronger, weaker) and _allows_more(stronger, weaker))


@remembered
def drifted(worlds: frozenset[World]) -> frozenset[World]:
    """Return what worlds may have become unobserved. It is asked several times of the same ones: what an observation
    puts to the test, and what it leaves."""
    return undominated_now(now for world in worlds for now in drift(world))


def dominates(stronger: World, weaker: World) -> bool:
    """Tell whether all that may be observed from now on in a world may be in the other one: both have in common what no
    order is known of."""
    alike = _in_common(stronger) == _in_common(weaker)
    return alike and _may_settle_so(stronger, weaker) and _allows_more(stronger, weaker)


def joined(worlds: Iterable[World]) -> frozenset[World]:
    """Return for all worlds that are alike one that dominates each of them. It may allow what none of them allows."""
    alike: defaultdict[Hashable, list[World]] = defaultdict(list)
    for world in worlds:
        alike[_in_common(world), world.settled, world.by].append(world)
    return frozenset(reduce(_bound, group) for group in alike.values())


def _bound(one: World, other: World) -> World:
    return evolve(
        one,
        asked=one.asked | other.asked,
        changes=one.changes | other.changes,
        unconfirmed=one.unconfirmed | other.unconfirmed,
        older=one.older | other.older,
        loose=one.loose or other.loose,
        shaky=one.shaky | other.shaky,
        least=min(one.least, other.least),
        most=max(one.most, other.most),
        sure=min(one.sure, other.sure),
    )


def _best_of(worlds: Iterable[World], better: Callable[[World, World], bool]) -> frozenset[World]:
    different = frozenset(worlds)
    if len(different) < 2:
        return different
    alike: defaultdict[Hashable, list[World]] = defaultdict(list)
    for world in different:
        alike[_in_common(world)].append(world)
    return frozenset(world for group in alike.values() for world in _best_of_alike(group, better))


def _best_of_alike(group: list[World], better: Callable[[World, World], bool]) -> list[World]:
    best: list[World] = []
    for world in group:
        if not any(better(other, world) for other in best):
            best = [other for other in best if not better(world, other)]
            best.append(world)
    return best


def _in_common(world: World) -> Hashable:
    """Return what no order is known of: where it differs, neither world dominates the other."""
    return (
        world.current,
        world.deadline,
        world.earliest,
        world.dead,
        world.asked - _HEARD if world.asked else world.asked,
        world.unconfirmed - _HEARD if world.unconfirmed else world.unconfirmed,
        _under_way(world.changes),
    )


def _under_way(changes: frozenset[Change]) -> frozenset[Change]:
    return frozenset(change for change in changes if change.op != UNHEARD) if changes else changes


def _allows_more(stronger: World, weaker: World) -> bool:
    """Tell whether all that is open in a world is open in the other, of two that have all else in common."""
    return (
        stronger.least <= weaker.least
        and stronger.sure <= weaker.sure
        and stronger.most >= weaker.most
        and stronger.loose >= weaker.loose
        and (weaker.settled is not Settled.NO or stronger.asked >= weaker.asked)
        and stronger.unconfirmed >= weaker.unconfirmed
        and stronger.shaky >= weaker.shaky
        and stronger.changes >= (weaker.resets if weaker.gone else weaker.changes)
        and _brings_back_more(stronger, weaker)
    )


def _settled_so(stronger: World, weaker: World) -> bool:
    """Tell whether it is settled as firmly, if at all, by an operation that says as little."""
    return stronger.settled is weaker.settled and _says_less(stronger.by, weaker.by)


def _may_settle_so(stronger: World, weaker: World) -> bool:
    """Tell whether it is so settled, or may still become so."""
    if stronger.settled is not Settled.NO:
        return Settled.NO < stronger.settled <= weaker.settled and _says_less(stronger.by, weaker.by)
    if weaker.settled is Settled.NO:
        return True
    return weaker.by is not None and not stronger.dead and bool(stronger.asked & {weaker.by, UNHEARD})


def _says_less(by: int | None, than: int | None) -> bool:
    """Tell whether no answer to operation `by` can show more than one to operation `than`."""
    return by == than or by is None or (by == UNHEARD and than is not None)


def _brings_back_more(stronger: World, weaker: World) -> bool:
    """Tell whether a fault may bring back as much."""
    if stronger.older >= weaker.older:
        return True
    return all(any(_as_good(lease, lost, weaker.unconfirmed) for lease in stronger.older) for lost in weaker.older)


def _as_good(lease: Lease, lost: Lease, unconfirmed: frozenset[int]) -> bool:
    """Tell whether the same faults, or more, bring back the one lease, and no more was counted by then."""
    if (lease.receipt, lease.deadline) != (lost.receipt, lost.deadline):
        return False
    if lease.least > lost.least or lease.most < lost.most:
        return False
    if lease.ended_by in (lost.ended_by, UNHEARD):
        return True
    return lease.ended_by is None and lost.ended_by not in unconfirmed
