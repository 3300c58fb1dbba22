-------------------------------- MODULE Clauses --------------------------------
(***************************************************************************)
(* The clauses (specs/clauses/), each judged on truth.  A state clause      *)
(* looks at one message in one state, a step clause at one message before   *)
(* and after a step.                                                        *)
(***************************************************************************)
EXTENDS Environment

(* ------------------------------ State clauses ---------------------------- *)

(* A promise to survive a clean restart needs nothing yet; one to survive power loss needs the disk, while the store runs. *)
HasReached(promise, record) ==
  record.stage # "none" =>
    /\ promise >= SurvivesProcessCrash => record.stage # "pending"
    /\ promise = SurvivesPowerLoss /\ Up => record.truth # "dirty"

ReplyAfterStage(m) == HasReached(m.promise, m.ack) /\ HasReached(m.renewed, m.renewal)

FlushIsReal(m)   == \A record \in Records(m) : Flushed(record) => Durable(record)
FlushRewrites(m) == \A record \in Records(m) : Flushed(record) => record.truth # Lost

(* The disk, or for what is settled without a record the offset, can tell what is to become of the message. *)
Recoverable(m) ==
  \/ m.unrecorded
  \/ Durable(m.ack)
  \/ Commit = "checkpoint" /\ \E record \in Records(m) : Durable(record)

CommitIsSafe(p, m)      == Passed(p, shared.volatile) => Recoverable(m)
DerivedNeverAhead(p, m) == Passed(p, shared.cached) \/ Passed(p, shared.disk) => Recoverable(m)

NoLimbo(m) ==
  LET buried == m.dead /\ (Stored(m.ack) \/ m.unrecorded \/ ~Up)
  IN  m.phase = "settled" => m.asked \/ buried

ReceiptIsExact(m) ==
  m.ack.stage = "pending" /\ ~m.dead => m.asked /\ (m.phase = "acking" => m.promise = Nothing)

SubmittedIsWritten(m) == m.garbled => ~Stored(m.ack)

(* ------------------------------- Step clauses ---------------------------- *)

Stepped(names) == step'.name \in names
RecoveredFrom(power) == Stepped({"recover"}) /\ shared.power = power

FailingSteps == {"fail_checkpoint_write", "fail_ack_write", "fail_renewal_write",
                 "sync_fails", "sync_fails_again", "sync_times_out", "late_sync_fails"}

(* Counted over the records of a message, since one may take the place of another. *)
HowMany(m, Wanted(_)) == Cardinality({kind \in Kinds : Wanted(m[kind])})

ReplyNeverFalse(m, then) ==
  Stepped(FailingSteps) =>
    /\ HowMany(then, Stored) <= HowMany(m, Stored)
    /\ HowMany(then, Flushed) <= HowMany(m, Flushed)
    /\ then.promise <= m.promise
    /\ then.renewed <= m.renewed

ReplyExactlyOnce(m, then) ==
  Stepped({"late_sync_ok", "late_sync_fails"}) => \A kind \in Kinds : then[kind].stage = m[kind].stage

FlushDegrades(m) ==
  shared.failures >= DegradeAfter =>
    /\ Stepped({"deliver"}) => Flushed(m.checkpoint)
    /\ Stepped({"answer_ack"}) => Flushed(m.ack)
    /\ Stepped({"answer_renewal", "answer_release"}) => Flushed(m.renewal)

(* What was handed out is known after the crash; at MEMORY it may be that nothing of it was written. *)
SurvivesACrash(m, then) ==
  /\ Stepped({"process_crash"}) /\ m.promise >= SurvivesProcessCrash => Readable(then.ack) \/ m.unrecorded
  /\ RecoveredFrom("crashed") =>
       /\ m.promise >= SurvivesProcessCrash => then.phase = "settled"
       /\ m.phase \in {"delivered", "renewing", "acking"} /\ Level # "memory" => then.phase # "waiting"

SurvivesALoss(m, then) ==
  m.promise = SurvivesPowerLoss =>
    /\ Stepped({"power_loss"}) => Readable(then.ack) \/ m.unrecorded
    /\ RecoveredFrom("lost") => then.phase = "settled"

RecoveredIsCached(then) == Stepped({"recover"}) => \A record \in Records(then) : ~Flushed(record)

(* A reset takes all copies with it. But for that none goes back except by the loss of what was above it: the one in
   memory when the store stops, and never below the disk; the one in the page cache when the power goes; the one on the
   disk never. *)
CommitIsMonotone ==
  IF Stepped({"reset_offset"}) THEN shared'.volatile = 0 /\ shared'.cached = 0 /\ shared'.disk = 0
  ELSE /\ shared'.disk >= shared.disk
       /\ Stepped({"power_loss"}) \/ shared'.cached >= shared.cached
       /\ shared'.power = "up" => shared'.volatile >= IF Up THEN shared.volatile ELSE shared.disk

NoReturn(m) == Stepped({"pop"}) => m.promise = Nothing

DeadlineIsExact(m) == Stepped({"pop"}) => m.phase \in {"waiting", "due"} /\ m.renewed = Nothing

MemoryIsBounded ==
  Stepped({"pop", "ask_ack", "ask_renewal", "release"}) => ~Failing /\ (Limit > 0 => shared'.inflight <= Limit)

QuiescenceIsZero(m) == Stepped({"close"}) /\ ~InFlight(m) => shared.inflight = 0

CloseDrains(m, then) ==
  /\ Stepped({"close"}) =>
       /\ ~InFlight(m)
       /\ \A record \in Records(m) : record.stage \in {"none", "flushed"}
       /\ shared.volatile = shared.disk
  /\ RecoveredFrom("closed") /\ m.promise # Nothing => then.phase = "settled"

RetireIsSafe(p, m) == Stepped({"retire"}) => Durable(m.ack) /\ Passed(p, shared.disk)

(* --------------------------------- Judging ------------------------------- *)

StateClauses == {"reply-after-stage", "flush-is-real", "flush-rewrites", "commit-is-safe", "derived-never-ahead",
                 "no-limbo", "receipt-is-exact", "submitted-is-written"}

KeptInState(clause) ==
  \A p \in Places :
    LET m == messages[p] IN
    CASE clause = "reply-after-stage"    -> ReplyAfterStage(m)
      [] clause = "flush-is-real"        -> FlushIsReal(m)
      [] clause = "flush-rewrites"       -> FlushRewrites(m)
      [] clause = "commit-is-safe"       -> CommitIsSafe(p, m)
      [] clause = "derived-never-ahead"  -> DerivedNeverAhead(p, m)
      [] clause = "no-limbo"             -> NoLimbo(m)
      [] clause = "receipt-is-exact"     -> ReceiptIsExact(m)
      [] clause = "submitted-is-written" -> SubmittedIsWritten(m)

StepClauses == {"reply-never-false", "reply-exactly-once", "flush-degrades", "survives-process-crash",
                "survives-power-loss", "recovered-is-cached", "commit-is-monotone", "no-return", "deadline-is-exact",
                "memory-is-bounded", "quiescence-is-zero", "close-drains", "retire-is-safe"}

(* In a local step the message that acts is judged, in a broadcast every message. *)
KeptByStep(clause) ==
  \A p \in IF step'.actor = Nobody THEN Places ELSE {step'.actor} :
    LET m == messages[p]
        then == messages'[p]
    IN
    CASE clause = "reply-never-false"      -> ReplyNeverFalse(m, then)
      [] clause = "reply-exactly-once"     -> ReplyExactlyOnce(m, then)
      [] clause = "flush-degrades"         -> FlushDegrades(m)
      [] clause = "survives-process-crash" -> SurvivesACrash(m, then)
      [] clause = "survives-power-loss"    -> SurvivesALoss(m, then)
      [] clause = "recovered-is-cached"    -> RecoveredIsCached(then)
      [] clause = "commit-is-monotone"     -> CommitIsMonotone
      [] clause = "no-return"              -> NoReturn(m)
      [] clause = "deadline-is-exact"      -> DeadlineIsExact(m)
      [] clause = "memory-is-bounded"      -> MemoryIsBounded
      [] clause = "quiescence-is-zero"     -> QuiescenceIsZero(m)
      [] clause = "close-drains"           -> CloseDrains(m, then)
      [] clause = "retire-is-safe"         -> RetireIsSafe(p, m)
=============================================================================
