"""The rules of the protocol, each of which can be switched off by name.

A rule is one decision of a correct store. Switching it off gives the store that somebody once shipped; the explorer
must then find a counterexample to each clause in `Rule.breaks`, and a run without end for each in `Rule.stalls`, or
the rule is not needed, or not checked.

>>> rule_named("rewrite-after-failure").breaks[0].value
'flush-rewrites'
>>> try:
...     rule_named("commit-in-ordr")
... except UnknownRule as error:
...     print(error)
no rule 'commit-in-ordr'; did you mean 'commit-in-order'?
>>> rule = Rule("never-lie", "Say what is.", (Clause.REPLY_NEVER_FALSE,), stalls=(Clause.NO_LIMBO,))
>>> [clause.value for clause in rule.falls]
['reply-never-false', 'no-limbo']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ParamSpec

from attrs import field, frozen

from .clauses import Clause
from .nearest import nearest
from .stages import Level

Params = ParamSpec("Params")


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


_rules: dict[str, Rule] = {}
RULES: Mapping[str, Rule] = MappingProxyType(_rules)
"""Every rule by its name, in the order of this file."""


def _listed(make: Callable[Params, Rule]) -> Callable[Params, Rule]:
    """Have each rule that is made listed among `RULES`."""

    def listed(*args: Params.args, **kwargs: Params.kwargs) -> Rule:
        rule = make(*args, **kwargs)
        if rule.name in _rules:
            raise ValueError(f"two rules are named {rule.name!r}: give one of them another name")
        return _rules.setdefault(rule.name, rule)

    return listed


_rule = _listed(Rule)

ANSWER_AFTER_WRITE = _rule(
    "answer-after-write",
    "An operation is answered OK only once its record is in the page cache.",
    (Clause.REPLY_AFTER_STAGE, Clause.SURVIVES_PROCESS_CRASH),
    {"process_crashes": 1},
    "RocketMQ #4806",
)
ANSWER_AFTER_FLUSH = _rule(
    "answer-after-flush",
    "At level DISK, and while degraded, an operation is answered OK only once its record is flushed.",
    (Clause.REPLY_AFTER_STAGE,),
    {"level": Level.DISK},
    "NATS #7564",
)
FAILED_WRITE_IS_NOT_OK = _rule(
    "failed-write-is-not-ok",
    "When the write of an ack or a renewal fails, the operation is answered FAILED.",
    (Clause.REPLY_NEVER_FALSE,),
    {"write_failures": 1},
    "RocketMQ #4806",
)
FAILED_WRITE_IS_NOT_STORED = _rule(
    "failed-write-is-not-stored",
    "When the write fails, the record is not taken for stored, and the message is still to be acknowledged.",
    (Clause.REPLY_NEVER_FALSE,),
    {"write_failures": 1},
    "Pulsar #25528",
)
TIMEOUT_IS_UNKNOWN = _rule(
    "timeout-is-unknown",
    "A sync that timed out has flushed nothing, as far as the store may believe.",
    (Clause.REPLY_NEVER_FALSE, Clause.FLUSH_IS_REAL),
    {"sync_timeouts": 1},
    "RocketMQ #4806",
)
FAILED_SYNC_IS_NOT_FLUSHED = _rule(
    "failed-sync-is-not-flushed",
    "A sync that failed does not move the flushed watermark.",
    (Clause.FLUSH_IS_REAL, Clause.REPLY_NEVER_FALSE),
    {"sync_failures": 1},
    "RocketMQ #2706, #5235, #9713",
)
SYNC_COVERS_WHAT_IT_FOUND = _rule(
    "sync-covers-what-it-found",
    "A sync that succeeded covers the records written before it began, and no later ones.",
    (Clause.FLUSH_IS_REAL,),
    {},
    "RocketMQ #8239",
)
REWRITE_AFTER_FAILURE = _rule(
    "rewrite-after-failure",
    "After a failed sync the records it may have touched are written again before another sync counts for them.",
    (Clause.FLUSH_REWRITES, Clause.FLUSH_IS_REAL),
    {"sync_failures": 1},
    "PostgreSQL fsyncgate; Rebello et al., USENIX ATC 2020",
)
REWRITE_TO_NEW_BLOCKS = _rule(
    "rewrite-to-new-blocks",
    "What a failed sync may have lost is written again to new blocks, not in place: there a sync may succeed in vain.",
    (Clause.FLUSH_REWRITES, Clause.FLUSH_IS_REAL),
    {"sync_failures": 1, "in_place": "lost"},
    "ext4 since Linux 6.15 (commit e856f93e0fb2)",
)
SUSPECT_WRITTEN_DURING_SYNC = _rule(
    "suspect-written-during-sync",
    "A failed sync makes suspect what was written while it ran, too: the kernel may have lost those pages with the "
    "others, and reports an error only once.",
    (Clause.FLUSH_REWRITES, Clause.FLUSH_IS_REAL),
    {"sync_failures": 1},
    "PostgreSQL fsyncgate",
)
REWRITE_AFTER_RECOVERY = _rule(
    "rewrite-after-recovery",
    "What recovery cannot prove synced it writes again: readable bytes may be PHANTOM.",
    (Clause.FLUSH_REWRITES, Clause.FLUSH_IS_REAL),
    {"sync_failures": 1, "process_crashes": 1},
    "Rebello et al., USENIX ATC 2020",
)
RECOVERED_IS_CACHED = _rule(
    "recovered-is-cached",
    "What recovery read is CACHED until it has been synced again.",
    (Clause.RECOVERED_IS_CACHED, Clause.FLUSH_IS_REAL),
    {"process_crashes": 1},
    "RocketMQ #6703",
)
RECOVERY_READS_ACKS = _rule(
    "recovery-reads-acks",
    "Recovery takes every ack that it can read for effective, with or without its checkpoint.",
    (Clause.SURVIVES_PROCESS_CRASH, Clause.SURVIVES_POWER_LOSS),
    {"process_crashes": 1, "power_losses": 1},
    "NATS Streaming #72, #626",
)
RECOVERY_REDELIVERS = _rule(
    "recovery-redelivers",
    "Recovery takes a checkpoint without an ack for a delivery whose deadline still runs.",
    (Clause.NO_LIMBO,),
    {"process_crashes": 1},
    "RabbitMQ #15473",
)
CALLBACK_AFTER_FLUSH = _rule(
    "callback-after-flush",
    "The durable callback runs, and a barrier returns, only once the record is flushed.",
    (Clause.SURVIVES_POWER_LOSS,),
    {"power_losses": 1},
    "Redis #8347",
)
COMMIT_AFTER_FLUSH = _rule(
    "commit-after-flush",
    "The offset passes a message only once the record that allows it is flushed.",
    (Clause.COMMIT_IS_SAFE, Clause.DERIVED_NEVER_AHEAD),
    {},
    "RocketMQ #9626, #8239",
)
COMMIT_IN_ORDER = _rule(
    "commit-in-order",
    "The offset passes a message only after it has passed all messages before it.",
    (Clause.COMMIT_IS_SAFE,),
    {"messages": 2},
    "RocketMQ #9318",
)
RECOVERY_KEEPS_OFFSET = _rule(
    "recovery-keeps-offset",
    "Recovery starts from the offset that it reads, never from the beginning.",
    (Clause.COMMIT_IS_MONOTONE,),
    {"process_crashes": 1},
    "NATS #8036",
)
OFFSET_FILE_IS_ATOMIC = _rule(
    "offset-file-is-atomic",
    "The offset file is replaced as a whole: a power loss meanwhile leaves the old one or the new one.",
    (Clause.COMMIT_IS_MONOTONE,),
    {"messages": 2, "power_losses": 1},
    "RocketMQ #3401, #5905, #9412, #9705",
)
SETTLED_IS_FINAL = _rule(
    "settled-is-final",
    "Once the ack is effective, no timer hands the message out again.",
    (Clause.NO_RETURN,),
    {"deliveries": 2},
    "Kafka KAFKA-19476",
)
RECEIPT_NAMES_DELIVERY = _rule(
    "receipt-names-delivery",
    "An ack with the receipt of an earlier delivery changes nothing.",
    (Clause.RECEIPT_IS_EXACT,),
    {"deliveries": 2},
    "RocketMQ #4938, #9583",
)
LATE_RESULT_IS_IGNORED = _rule(
    "late-result-is-ignored",
    "The result of a sync that has been given up changes nothing when it comes at last.",
    (Clause.REPLY_EXACTLY_ONCE,),
    {"sync_timeouts": 1},
    "RocketMQ #1895",
)
DEGRADE_AFTER_FAILURES = _rule(
    "degrade-after-failures",
    "After the configured number of consecutive sync failures, answers wait for the disk.",
    (Clause.FLUSH_DEGRADES,),
    {"sync_failures": 1},
    "RocketMQ PR #8727",
)

WAIT_FOR_DEADLINE = _rule(
    "wait-for-deadline",
    "A pop takes no message whose delivery has not ended.",
    (Clause.DEADLINE_IS_EXACT,),
    {"deliveries": 2},
    "kombu #1098",
)
RECOVERY_READS_RENEWALS = _rule(
    "recovery-reads-renewals",
    "Recovery computes a deadline from the renewals that it reads, not from the checkpoint alone.",
    (Clause.DEADLINE_IS_EXACT,),
    {"deliveries": 2, "renewals": 1, "process_crashes": 1},
    "kombu #337",
)
DEADLINE_IS_WATCHED = _rule(
    "deadline-is-watched",
    "A delivery whose deadline has passed is due, though nobody asks.",
    (),
    {"deliveries": 2},
    "Kafka KAFKA-19476",
    stalls=(Clause.NO_LIMBO,),
)
RELEASE_ENDS_DELIVERY = _rule(
    "release-ends-delivery",
    "The receipt of a delivery that was given back is not current.",
    (Clause.RECEIPT_IS_EXACT,),
    {"deliveries": 2, "releases": 1, "careless": True},
    "RocketMQ #4938",
)
EXPIRED_IS_REFUSED = _rule(
    "expired-is-refused",
    "An ack after the deadline of its delivery is answered EXPIRED, and changes nothing.",
    (Clause.RECEIPT_IS_EXACT,),
    {"deliveries": 2, "careless": True},
    "google-cloud-java #4242",
)
DUPLICATE_CHANGES_NOTHING = _rule(
    "duplicate-changes-nothing",
    "A second ack of a settled message is answered SETTLED, and changes nothing.",
    (Clause.RECEIPT_IS_EXACT,),
    {"careless": True},
    "Pulsar #7683",
)
ARGUMENTS_ARE_FROZEN = _rule(
    "arguments-are-frozen",
    "What is written is what was submitted, whatever the caller does with its own copy meanwhile.",
    (Clause.SUBMITTED_IS_WRITTEN,),
    {"careless": True},
    "Kafka KAFKA-19351",
)
DEAD_LETTER_IS_STORED = _rule(
    "dead-letter-is-stored",
    "What was delivered often enough is settled only once a record of that is stored.",
    (Clause.NO_LIMBO,),
    {"dead_letters": True},
    "NATS #4427",
)
FAILURE_ENDS_OPERATION = _rule(
    "failure-ends-operation",
    "An operation whose write fails or throws ends: it is answered FAILED.",
    (),
    {"write_failures": 1},
    "RocketMQ #11172",
    stalls=(Clause.REPLY_EXACTLY_ONCE,),
)
LIMIT_INFLIGHT = _rule(
    "limit-inflight",
    "Over the limit of operations in flight a new one is answered BUSY.",
    (Clause.MEMORY_IS_BOUNDED,),
    {"messages": 2, "limit": 1},
    "RocketMQ #6598, #10052",
)
REFUSE_AFTER_FAILURES = _rule(
    "refuse-after-failures",
    "After the configured number of consecutive sync failures new operations are answered BUSY.",
    (Clause.MEMORY_IS_BOUNDED,),
    {"messages": 2, "sync_failures": 1, "refuse_after": 1},
    "Redis #8419",
)
PROBE_WHILE_REFUSING = _rule(
    "probe-while-refusing",
    "A store that refuses everything tries a sync now and then, though nothing is left to be synced.",
    (),
    {"sync_failures": 1, "refuse_after": 1, "resets": 1},
    "Redis #8419",
    stalls=(Clause.FLUSH_DEGRADES,),
)
FAILURE_CLEARS_INFLIGHT = _rule(
    "failure-clears-inflight",
    "An operation that has failed is no longer counted as in flight.",
    (Clause.QUIESCENCE_IS_ZERO,),
    {"limit": 2, "write_failures": 1, "restarts": 1},
    "Pulsar #22662",
)
CLOSE_DRAINS = _rule(
    "close-drains",
    "Close waits until every operation has ended, and every record and the offset are on the disk.",
    (Clause.CLOSE_DRAINS,),
    {"restarts": 1},
    "rocketmq-rust #7236, #7240",
)
CLOSE_HANDS_OVER = _rule(
    "close-hands-over",
    "Close writes what a merge buffer holds, and what it settled and the offset has not come to.",
    (Clause.CLOSE_DRAINS,),
    {"level": Level.MEMORY, "merge_buffer": True, "restarts": 1},
    "RocketMQ PopBufferMergeService",
)
MERGE_NEEDS_BOTH = _rule(
    "merge-needs-both",
    "A merge buffer leaves out an ack only with its checkpoint, and only if no record of the message was written.",
    (Clause.CLOSE_DRAINS,),
    {"level": Level.MEMORY, "merge_buffer": True, "restarts": 1},
    "RocketMQ #8835, #7412",
)
RETIRE_AFTER_COMMIT = _rule(
    "retire-after-commit",
    "The records of a settled message are discarded only once the offset on the disk has passed it.",
    (Clause.RETIRE_IS_SAFE,),
    {"compaction": True},
    "NSQ #1354, ActiveMQ AMQ-1479",
)
RESET_IS_RECORDED = _rule(
    "reset-is-recorded",
    "A reset of the offset is on the disk before it is answered: it sticks.",
    (Clause.COMMIT_IS_MONOTONE,),
    {"resets": 1},
    "RocketMQ #8268, #9369, #9695",
)
RESET_IS_CONFIRMED = _rule(
    "reset-is-confirmed",
    "Where a store confirms its syncs, a RESET counts only once another sync after its own has succeeded, too.",
    (Clause.COMMIT_IS_MONOTONE,),
    {"resets": 1, "sync_failures": 1, "sync_error": "late", "confirm_syncs": True},
    "Rebello et al., USENIX ATC 2020",
)
RETURN_WHEN_HEALTHY = _rule(
    "return-when-healthy",
    "When a sync succeeds again the store answers as configured.",
    (),
    {"sync_failures": 1},
    "RocketMQ PR #8727",
    stalls=(Clause.FLUSH_DEGRADES,),
)
FLUSH_WHEN_IDLE = _rule(
    "flush-when-idle",
    "What is written is synced though nothing new arrives.",
    (),
    {},
    "Redis #8612",
    stalls=(Clause.FLUSH_WHEN_IDLE,),
)
RETRY_AFTER_FAILURE = _rule(
    "retry-after-failure",
    "What a failed sync may have touched is written again, sooner or later.",
    (),
    {"sync_failures": 1},
    "beanstalkd #477",
    stalls=(Clause.FLUSH_WHEN_IDLE,),
)
COMMIT_WITHOUT_TRAFFIC = _rule(
    "commit-without-traffic",
    "The offset moves on though no operation is in flight to carry it.",
    (),
    {},
    "RocketMQ #9318",
    stalls=(Clause.COMMIT_PROGRESSES,),
)


def rule_named(name: str) -> Rule:
    """Return the rule of that name; `UnknownRule` offers the nearest names."""
    try:
        return RULES[name]
    except KeyError:
        raise UnknownRule(f"no rule {name!r}; {nearest(name, RULES, 'the rules are')}") from None
