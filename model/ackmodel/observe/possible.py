"""What each observation says of the worlds that one message may be in (`ackmodel.observe.worlds`).

`possible_after` gives what a world may be when an event has been observed: nothing, if the event could not have
happened in it.

>>> claim = Claim(Level.PAGE_CACHE)
>>> possible_after(events.Absent(at=1.0), World(), claim)     # never handed out, and yet it does not come
()
>>> possible_after(events.Absent(at=1.0), World(settled=Settled.CACHED), claim) != ()
True
"""

from __future__ import annotations

from functools import singledispatch

from ..spec.stages import Level
from . import events
from .events import Event, Reply
from .worlds import NEEDED, NEVER, UNHEARD, UNSEEN, Claim, Lease, Release, Renewal, Reset, Settled, World, evolve

UNAFFECTED = (events.WriteFailed, events.SyncEnded, events.Discarded, events.Damaged)
"""Events that leave every world as it is."""


@singledispatch
def possible_after(event: Event, world: World, claim: Claim) -> tuple[World, ...]:
    """Return the worlds that `world` may be when `event` has been observed; empty if it cannot have been."""
    if isinstance(event, UNAFFECTED):
        return (world,)
    raise TypeError(f"{event!r} is not an event of ackmodel.observe.events")


# --- deliveries -----------------------------------------------------------------------------------------------------


@possible_after.register
def _(event: events.Popped, world: World, claim: Claim) -> tuple[World, ...]:
    """Hand out what is neither settled nor dead, has no running deadline, and has attempts left (clauses
    no-return, deadline-is-exact, no-limbo)."""
    if world.gone or event.at < world.free_at:
        return ()
    counted = _counted(event, world, claim)
    if counted is None:
        return ()
    least, most = counted
    durable = claim.level is Level.DISK
    after = World(
        current=event.receipt,
        deadline=event.deadline,
        changes=world.resets,
        unconfirmed=world.unconfirmed,
        older=_running(world, event.at),
        loose=not durable,
        shaky=world.shaky,
        least=least,
        most=most,
        sure=least if durable else world.sure,
    )
    return (after,)


def _counted(event: events.Popped, world: World, claim: Claim) -> tuple[int, int] | None:
    """Return how many deliveries the store has counted with this one, at least and at most; None if it cannot have."""
    least, most = world.least + 1, world.most + 1
    if claim.max_attempts is not None:
        if least > claim.max_attempts:
            return None
        most = min(most, claim.max_attempts)
    if event.attempt is not None:
        if not least <= event.attempt <= most:
            return None
        least = most = event.attempt
    return least, max(most, world.most_if_undone) if world.shaky else most


def _running(world: World, at: float) -> frozenset[Lease]:
    """Return the earlier leases whose time is not over."""
    return frozenset(lease for lease in world.older if lease.deadline > at) if world.older else world.older


@possible_after.register
def _(event: events.PopUnanswered, world: World, claim: Claim) -> tuple[World, ...]:
    limit = claim.max_attempts
    if world.gone or (limit is not None and world.least >= limit):
        return (world,)
    taken = World(
        current=UNSEEN,
        deadline=max(world.deadline, event.deadline),
        earliest=max(world.free_at, event.deadline if event.earliest is None else event.earliest),
        changes=world.resets,
        unconfirmed=world.unconfirmed,
        older=world.older,
        loose=True,
        shaky=world.shaky,
        least=world.least,
        most=world.most + 1 if limit is None else min(world.most + 1, limit),
        sure=world.sure,
    )
    return (world, taken)


@possible_after.register
def _(event: events.Absent, world: World, claim: Claim) -> tuple[World, ...]:
    """Let only what is settled, or dead, or hidden still, stay away when all is popped (clause no-limbo)."""
    if world.settled is not Settled.NO:
        return (world,) if not event.dead or _passed_by_reset(world) else ()
    may_be_dead = event.dead is not False and (world.dead or world.exhausted(claim, event.at))
    may_be_hidden = not event.dead and not world.dead and event.at < world.deadline
    return ((_dead(world, claim),) if may_be_dead else ()) + ((world,) if may_be_hidden else ())


@possible_after.register
def _(event: events.DeadLettered, world: World, claim: Claim) -> tuple[World, ...]:
    """Judge a dead letter: only after the last attempt has ended, and never what an ack settled (clause no-limbo)."""
    if _passed_by_reset(world):
        return (world,)
    dead = world.settled is Settled.NO and (world.dead or world.exhausted(claim, event.at))
    return (_dead(world, claim),) if dead else ()


def _passed_by_reset(world: World) -> bool:
    """Tell whether a reset settled it: it may have been a dead letter before, and stay listed."""
    return world.settled is not Settled.NO and world.by is None


def _dead(world: World, claim: Claim) -> World:
    limit = claim.max_attempts or 0
    return evolve(world, dead=True, least=limit, most=limit, asked=frozenset(), changes=world.resets)


# --- acks and changes -----------------------------------------------------------------------------------------------


def _holds(event: events.AckAsked | events.RenewAsked | events.ReleaseAsked, world: World) -> bool:
    """Tell whether the receipt is that of the current delivery, in time."""
    return event.receipt == world.current and event.at < world.deadline


@possible_after.register
def _(event: events.AckAsked, world: World, claim: Claim) -> tuple[World, ...]:
    return (evolve(world, asked=world.asked | {event.op}),) if _holds(event, world) else (world,)


@possible_after.register
def _(event: events.RenewAsked, world: World, claim: Claim) -> tuple[World, ...]:
    if not _holds(event, world) or world.gone:
        return (world,)
    return (evolve(world, changes=world.changes | {Renewal(event.op, event.deadline)}),)


@possible_after.register
def _(event: events.ReleaseAsked, world: World, claim: Claim) -> tuple[World, ...]:
    if not _holds(event, world) or world.gone:
        return (world,)
    return (evolve(world, changes=world.changes | {Release(event.op)}),)


@possible_after.register
def _(event: events.ResetAsked, world: World, claim: Claim) -> tuple[World, ...]:
    return (evolve(world, changes=world.changes | {Reset(event.op, event.anew)}),)


@possible_after.register
def _(event: events.AckAnswered, world: World, claim: Claim) -> tuple[World, ...]:
    """Judge the answer to an ack (clauses reply-after-stage, reply-never-false, receipt-is-exact)."""
    ended = evolve(world, asked=world.asked - {event.op}, by=UNHEARD if world.by == event.op else world.by)
    settled = world.settled is not Settled.NO
    match event.reply:
        case Reply.OK:
            return (ended,) if world.settled >= NEEDED[claim.level] else ()
        case Reply.SETTLED:
            return _settled_before(world, ended, claim, event.at)
        case Reply.UNKNOWN:
            return (world.unheard(event.op),)
        case Reply.FAILED | Reply.BUSY:
            return () if settled and world.by == event.op else (ended,)
        case Reply.EXPIRED | Reply.INVALID:
            due = event.op in world.asked and event.at < world.deadline
            return () if due or (settled and world.by == event.op) else (ended,)


@possible_after.register
def _(event: events.ChangeAnswered, world: World, claim: Claim) -> tuple[World, ...]:
    """Judge the answer to a renewal or a release (the same clauses)."""
    took = event.op in world.unconfirmed
    ended = world.without(event.op)
    match event.reply:
        case Reply.OK:
            older = _not_ended_by(ended, frozenset({event.op})) if claim.level is Level.DISK else ended.older
            return (evolve(ended, older=older),) if took else ()
        case Reply.UNKNOWN:
            return (world.unheard(event.op),)
        case Reply.SETTLED:
            return () if took else _settled_before(world, ended, claim, event.at)
        case Reply.FAILED | Reply.BUSY:
            return () if took else (ended,)
        case Reply.EXPIRED | Reply.INVALID:
            asked = ended.changes != world.changes
            due = asked and not world.gone and event.at < world.deadline
            return () if took or due else (ended,)


@possible_after.register
def _(event: events.ResetAnswered, world: World, claim: Claim) -> tuple[World, ...]:
    """Judge the answer to a reset: OK is answered when no fault can undo it (clause commit-is-monotone)."""
    if event.reply is Reply.UNKNOWN:
        return (world.unheard(event.op),)
    took = event.op in world.unconfirmed
    ended = world.without(event.op)
    if event.reply is Reply.OK:
        left = ended.changes - ended.resets  # what was asked for before it has no say any more
        since = _not_ended_by(ended, frozenset({event.op}))  # what it ended itself no fault brings back
        return (evolve(ended, changes=left, older=since, shaky=frozenset()),) if took else ()
    return () if took else (ended,)


def _settled_before(world: World, ended: World, claim: Claim, at: float) -> tuple[World, ...]:
    """Judge the answer SETTLED: it is, or it is a dead letter."""
    if world.settled is Settled.NO and (world.dead or world.exhausted(claim, at)):
        return (_dead(ended, claim),)
    return (ended,) if world.settled >= NEEDED[claim.level] else ()


def _not_ended_by(world: World, ops: frozenset[int]) -> frozenset[Lease]:
    return frozenset(lease for lease in world.older if lease.ended_by not in ops)


# --- what is promised to survive, and what does ---------------------------------------------------------------------


@possible_after.register
def _(event: events.MadeDurable, world: World, claim: Claim) -> tuple[World, ...]:
    """Make durable what settled it: an ack, or a dead letter that the ack met (clause reply-never-false). A reset whose
    outcome is open may have taken it back since: of that nothing is said."""
    if world.settled is Settled.NO and (world.dead or world.exhausted(claim, event.at)):
        dead = _dead(world, claim)
        return (evolve(dead, loose=False, sure=dead.least),)
    taken_back = world.settled is Settled.NO and world.shaky
    return (world,) if world.settled is Settled.DURABLE or taken_back else ()


@possible_after.register
def _(event: events.Secured, world: World, claim: Claim) -> tuple[World, ...]:
    secured = evolve(world, older=_not_ended_by(world, event.ops)) if world.older else world
    if event.receipt == world.current:
        secured = evolve(secured, loose=False, sure=world.least)
    return (secured,)


@possible_after.register
def _(event: events.ProcessCrashed, world: World, claim: Claim) -> tuple[World, ...]:
    """Lose the memory, and with it, at level MEMORY, all that was only promised there (clause
    survives-process-crash)."""
    ended = _stopped(world)
    merged = claim.level is Level.MEMORY
    undone = [lease for lease in world.older if merged or lease.ended_by in world.unconfirmed]
    known = {ended, *(_brought_back(ended, lease) for lease in undone)}
    if merged and world.loose:
        known.add(_forgotten(ended))
    if world.settled is Settled.MEMORY:
        gone = {evolve(left, settled=Settled.NO, by=None) for left in known}
        known = gone | {evolve(left, settled=Settled.CACHED) for left in known}
    return (*known, *_undone_resets(ended))


@possible_after.register
def _(event: events.Restarted, world: World, claim: Claim) -> tuple[World, ...]:
    """End all that was under way. A reset counts by now, or never will, unless it is in doubt what is on the disk."""
    ended = world.unheard(*world.open_ops)
    if not event.proved:
        return (ended,)
    return (evolve(ended, changes=ended.changes - ended.resets, shaky=frozenset()),)


@possible_after.register
def _(event: events.PowerLost, world: World, claim: Claim) -> tuple[World, ...]:
    """Lose the memory and any subset of the unsynced writes; what is left is on the disk (clause
    survives-power-loss)."""
    stopped = evolve(_stopped(world), loose=False, sure=world.least)
    ended = evolve(stopped, older=frozenset(), shaky=frozenset())
    known = {ended, *(_brought_back(ended, lease) for lease in world.older)}
    if world.loose:
        known.add(evolve(_forgotten(ended), least=world.sure, sure=world.sure))
    if world.settled is not Settled.DURABLE:
        gone = {evolve(left, settled=Settled.NO, by=None) for left in known}
        kept = known if world.settled is not Settled.NO else ()
        known = gone | {evolve(left, settled=Settled.DURABLE) for left in kept}
    return (*known, *(evolve(left, older=frozenset(), shaky=frozenset()) for left in _undone_resets(stopped)))


@possible_after.register
def _(event: events.ClockSetBack, world: World, claim: Claim) -> tuple[World, ...]:
    """Let an earlier delivery count again, in time as it is, where the newest was lost, or may be (clause
    deadline-is-exact)."""
    earlier = frozenset(
        Lease(receipt, deadline, world.sure, None, world.most)
        for receipt, deadline in event.again
        if receipt != world.current
    )
    known = evolve(world, older=world.older | earlier) if world.loose and earlier else world
    lost = event.lost and world.current is None and not world.gone
    return (known, *(_brought_back(known, lease) for lease in (earlier if lost else ())))


def _stopped(world: World) -> World:
    """Let nothing more take effect but a reset, which recovery may read, and only then put to effect."""
    ended = world.unheard(*world.open_ops)
    older = frozenset(
        evolve(lease, ended_by=None) if lease.ended_by in ended.unconfirmed else lease for lease in ended.older
    )
    return evolve(ended, asked=frozenset(), changes=ended.resets, unconfirmed=frozenset(), older=older)


def _brought_back(world: World, lease: Lease) -> World:
    """Undo the operation that ended a lease."""
    least, most = min(lease.least, world.least), max(lease.most, world.most)
    again = {"current": lease.receipt, "deadline": lease.deadline, "earliest": NEVER}
    return evolve(world, **again, least=least, most=most, dead=False)


def _forgotten(world: World) -> World:
    """Lose the newest delivery."""
    return evolve(world, current=None, deadline=NEVER, earliest=NEVER, least=world.sure, dead=False)


def _undone_resets(world: World) -> tuple[World, ...]:
    """Return what a world may be too if a fault has undone a reset, in part or whole: settled or not, in hand or not,
    nothing is certain, but that a delivery since the reset is not known without it. Recovery may read the reset again,
    and put it to effect later."""
    if not world.shaky:
        return ()
    undone = evolve(world, changes=world.changes | world.shaky, most=world.most_if_undone)
    unsettled = evolve(undone, settled=Settled.NO, by=None, least=0, sure=0)
    back = (_brought_back(unsettled, lease) for lease in world.older)
    return (_forgotten(unsettled), *back, evolve(_forgotten(undone), settled=Settled.DURABLE, by=None))
