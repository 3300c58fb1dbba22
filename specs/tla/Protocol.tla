------------------------------- MODULE Protocol -------------------------------
(***************************************************************************)
(* What a correct store does.  A rule that is switched off turns the step   *)
(* into what a broken store would do.                                       *)
(***************************************************************************)
EXTENDS State

(* ------------------------------- Answering ------------------------------- *)

(* A degraded store answers at DISK. *)
AnswerLevel == IF shared.mode = "sync" THEN "disk" ELSE Level

MayAnswer(record) ==
  LET afterFlush == IF AnswerLevel = "disk" /\ ~Keeps("answer-after-flush") THEN "page-cache" ELSE AnswerLevel
      afterWrite == IF afterFlush = "page-cache" /\ ~Keeps("answer-after-write") THEN "memory" ELSE afterFlush
  IN  Reaches(record, afterWrite)

Failing == RefuseAfter > 0 /\ shared.failures >= RefuseAfter
Refuses ==
  \/ Limit > 0 /\ shared.inflight >= Limit /\ Keeps("limit-inflight")
  \/ Failing /\ Keeps("refuse-after-failures")

(* Operations in flight are counted only where there is a limit to them. *)
TakenUp(part) == IF Limit > 0 THEN [part EXCEPT !.inflight = @ + 1] ELSE part
Ended(part)   == IF Limit > 0 THEN [part EXCEPT !.inflight = @ - 1] ELSE part

MayBePopped(m) ==
  /\ m.phase \in {"waiting", "due"} \cup (IF Keeps("wait-for-deadline") THEN {} ELSE {"delivered"})
  /\ m.delivery < Deliveries

(* A pop or an ack is answered BUSY: nothing changes. *)
Refuse(p) ==
  /\ Holds(Refuses)
  /\ Holds(MayBePopped(messages[p]) \/ messages[p].phase = "delivered")
  /\ Local("refuse", p, shared, messages[p])

(* ------------------------------- Delivering ------------------------------ *)

(* Of two records that tell of a delivery, the one on which recovery may rely more: the one whose bytes are safer; of
   equal ones the newer. What is not written yet is none. *)
Safety(record) ==
  CASE record.truth = "nowhere" -> 0
    [] record.truth = "phantom" -> 1
    [] record.truth = "dirty"   -> 2
    [] record.truth = "disk"    -> 3
Better(newer, older) == IF Safety(older) > Safety(newer) THEN older ELSE newer
BestWritten(m) ==
  LET IfWritten(record) == IF record.stage = "pending" THEN Absent ELSE record
  IN  Better(Better(IfWritten(m.checkpoint), IfWritten(m.renewal)), m.earlier)

(* A pop takes a message that nobody has, or whose deadline has passed, and accepts a checkpoint for it. *)
Pop(p) ==
  LET m == messages[p] IN
  /\ Holds(MayBePopped(m) /\ ~Refuses)
  /\ Local("pop", p, TakenUp(shared),
       [m EXCEPT !.phase = "popping", !.delivery = @ + 1, !.checkpoint = Accepted, !.earlier = BestWritten(m),
                 !.renewal = Absent, !.released = FALSE, !.asked = FALSE, !.renewed = Nothing, !.garbled = FALSE])

WriteCheckpoint(p) ==
  LET m == messages[p] IN
  /\ m.checkpoint.stage = "pending"
  /\ Local("write_checkpoint", p, shared, [m EXCEPT !.checkpoint = Written])

(* The pop is answered: the consumer has the message. *)
Deliver(p) ==
  LET m == messages[p] IN
  /\ m.phase = "popping"
  /\ MayAnswer(m.checkpoint)
  /\ Local("deliver", p, Ended(shared), [m EXCEPT !.phase = "delivered"])

(* The last delivery has ended without an ack: a dead letter is accepted. *)
Bury(p) ==
  LET m == messages[p]
      stored == [m EXCEPT !.phase = "acking", !.ack = Accepted, !.dead = TRUE]
      atOnce == [m EXCEPT !.phase = "settled", !.dead = TRUE]
  IN
  /\ DeadLetters
  /\ m.phase = "due" /\ m.delivery >= Deliveries
  /\ Local("bury", p, shared, IF Keeps("dead-letter-is-stored") THEN stored ELSE atOnce)

Buried(p) ==
  LET m == messages[p] IN
  /\ m.phase = "acking" /\ m.dead
  /\ Stored(m.ack)
  /\ Local("buried", p, shared, [m EXCEPT !.phase = "settled"])

(* --------------------------------- Acking -------------------------------- *)

WriteAck(p) ==
  LET m == messages[p] IN
  /\ m.ack.stage = "pending"
  /\ Local("write_ack", p, shared, [m EXCEPT !.ack = Written])

AnswerAck(p) ==
  LET m == messages[p] IN
  /\ m.phase = "acking" /\ ~m.dead
  /\ MayAnswer(m.ack)
  /\ Local("answer_ack", p, Ended(shared), [m EXCEPT !.phase = "settled", !.promise = PromiseOf(AnswerLevel)])

(* The record of an ack, a renewal or a release is written, but cannot be flushed for now: UNKNOWN, and it takes effect. *)
AnswerUnknown(p) ==
  LET m == messages[p] IN
  /\ AnswerLevel = "disk"
  /\ ~m.dead
  /\ \/ /\ m.phase = "acking" /\ m.ack.stage = "suspect"
        /\ Local("answer_unknown", p, Ended(shared), [m EXCEPT !.phase = "settled"])
     \/ /\ m.phase = "renewing" /\ m.renewal.stage = "suspect"
        /\ Local("answer_unknown", p, Ended(shared), [m EXCEPT !.phase = IF m.released THEN "due" ELSE "delivered"])

(* The flush of the ack is made known, by a callback or by a barrier. A barrier speaks of all that is settled: also of what
   was answered UNKNOWN, and of what recovery found. *)
DurableCallback(p) ==
  LET m == messages[p] IN
  /\ m.phase = "settled" /\ ~m.dead
  /\ m.promise # SurvivesPowerLoss
  /\ Holds(IF Keeps("callback-after-flush") THEN Flushed(m.ack) ELSE Stored(m.ack))
  /\ Local("durable_callback", p, shared, [m EXCEPT !.promise = SurvivesPowerLoss])

(* -------------------------------- Renewing ------------------------------- *)

WriteRenewal(p) ==
  LET m == messages[p] IN
  /\ m.renewal.stage = "pending"
  /\ Local("write_renewal", p, shared, [m EXCEPT !.renewal = Written])

AnswerRenewal(p) ==
  LET m == messages[p] IN
  /\ m.phase = "renewing" /\ ~m.released
  /\ MayAnswer(m.renewal)
  /\ Local("answer_renewal", p, Ended(shared), [m EXCEPT !.phase = "delivered", !.renewed = PromiseOf(AnswerLevel)])

AnswerRelease(p) ==
  LET m == messages[p] IN
  /\ m.phase = "renewing" /\ m.released
  /\ MayAnswer(m.renewal)
  /\ Local("answer_release", p, Ended(shared), [m EXCEPT !.phase = "due"])

(* -------------------------------- Merging -------------------------------- *)

(* A checkpoint and its ack meet in the buffer, and no record of the message was ever written: both are left out. *)
InMemoryOnly(m) == m.checkpoint.stage = "pending" /\ m.earlier.stage = "none" /\ m.renewal.stage = "none"

Merge(p) ==
  LET m == messages[p] IN
  /\ MergeBuffer
  /\ m.phase = "settled" /\ m.ack.stage = "pending"
  /\ Holds(Keeps("merge-needs-both") => InMemoryOnly(m))
  /\ Local("merge", p, shared,
       [m EXCEPT !.ack = Absent, !.checkpoint = IF @.stage = "pending" THEN Absent ELSE @, !.unrecorded = TRUE])

(* What was settled by merging, and the offset has not come to, is written after all. *)
HandOver(p) ==
  LET m == messages[p] IN
  /\ MergeBuffer
  /\ m.unrecorded /\ ~Passed(p, shared.volatile)
  /\ Local("hand_over", p, shared, [m EXCEPT !.ack = Accepted, !.unrecorded = FALSE])

(* ------------------------------- Committing ------------------------------ *)

MayCommit(m) ==
  LET Enough(record) == IF Keeps("commit-after-flush") THEN Flushed(record) ELSE Stored(record)
  IN  \/ m.unrecorded
      \/ Enough(m.ack)
      \/ Commit = "checkpoint" /\ \E record \in Records(m) : Enough(record)

(* The offset passes the message. *)
CommitOffset(p) ==
  LET m == messages[p] IN
  /\ ~Uncommitted
  /\ Holds(IF Keeps("commit-in-order") THEN shared.volatile = p ELSE shared.volatile <= p)
  /\ Holds(MayCommit(m))
  /\ Holds(Keeps("commit-without-traffic") \/ InFlight(m))
  /\ Local("commit", p, [shared EXCEPT !.volatile = p + 1], m)

(* The offset file is replaced (written beside, synced, renamed), then its directory is synced. *)
WriteOffset ==
  /\ shared.cached # shared.volatile
  /\ Broadcast("write_offset", [shared EXCEPT !.cached = shared.volatile], Same)

SyncDirectory ==
  /\ shared.disk # shared.cached
  /\ Broadcast("sync_directory", [shared EXCEPT !.disk = shared.cached], Same)

(* The offset is set to 0 by hand while nothing is in flight. The RESET is synced, so the store is healthy. *)
BegunAnew == [Spend(shared, "resets") EXCEPT !.failures = 0, !.mode = "async", !.volatile = 0, !.owed = OfAllLogs(FALSE)]
Afresh == [p \in Places |-> {Fresh}]
NoneInFlight == \A p \in Places : ~InFlight(messages[p])

ResetOffset ==
  /\ Remains("resets")
  /\ NoneInFlight
  /\ Broadcast("reset_offset",
       IF Keeps("reset-is-recorded") THEN [BegunAnew EXCEPT !.cached = 0, !.disk = 0] ELSE BegunAnew, Afresh)

(* Compaction discards the records of a message. *)
Retire(p) ==
  LET m == messages[p] IN
  /\ Compaction
  /\ m.phase = "settled" /\ Flushed(m.ack)
  /\ \A record \in Records(m) : ~Unflushed(record)
  /\ Holds(Keeps("retire-after-commit") => Passed(p, shared.disk))
  /\ Local("retire", p, shared,
       [m EXCEPT !.checkpoint = Absent, !.earlier = Absent, !.ack = Absent, !.renewal = Absent, !.unrecorded = TRUE])

(* -------------------------------- Rewriting ------------------------------ *)

(* What a sync has lost, written again in place, stays lost where the file system is such. *)
StaysLost(record) == record.truth = Lost /\ InPlace = "lost" /\ ~Keeps("rewrite-to-new-blocks")

(* A SUSPECT record is written again: what the disk has stays there, the rest is DIRTY. *)
Rewritten(record) ==
  Record("cached", IF Durable(record) \/ StaysLost(record) \/ ~Keeps("rewrite-after-failure")
                   THEN record.truth ELSE "dirty")

Rewrite(p, kind) ==
  LET m == messages[p] IN
  /\ Keeps("retry-after-failure")
  /\ m[kind].stage = "suspect"
  /\ Local("retry_" \o kind, p, shared, [m EXCEPT ![kind] = Rewritten(@)])

(* --------------------------------- Syncing ------------------------------- *)

(* Who refuses everything has nothing to sync, and would never learn that the disk works again. *)
Probes == Failing /\ Keeps("probe-while-refusing")

HasToSync(m) ==
  /\ \E record \in Records(m) : record.stage = "cached"
  /\ Keeps("flush-when-idle") \/ \E record \in Records(m) : record.stage = "pending"

Covered(record) == IF record.stage = "cached" THEN [record EXCEPT !.stage = "flushing"] ELSE record

(* A sync begins: it covers what is CACHED now. *)
BeginSync(log) ==
  /\ shared.syncing[log] = "idle"
  /\ Holds(Probes \/ \E p \in Places : LogOf(p) = log /\ HasToSync(messages[p]))
  /\ Broadcast("begin_sync", [shared EXCEPT !.syncing[log] = "running"], RecordsInLog(log, Covered))

(* What the store believes of a record when a sync has ended. How it ends is not the store's to say: see Environment. *)
BelieveSyncOk(record) ==
  IF \/ record.stage = "flushing"
     \/ record.stage = "cached" /\ ~Keeps("sync-covers-what-it-found")
  THEN [record EXCEPT !.stage = "flushed"] ELSE record

BelieveSyncFailed(record) ==
  CASE record.stage = "flushing" ->
         [record EXCEPT !.stage = IF Keeps("failed-sync-is-not-flushed") THEN "suspect" ELSE "flushed"]
    [] record.stage = "cached" ->
         [record EXCEPT !.stage = IF Keeps("suspect-written-during-sync") THEN "suspect" ELSE "cached"]
    [] OTHER -> record

(* It may have touched whatever is not flushed, and may still end. *)
BelieveSyncTimedOut(record) ==
  IF record.stage = "flushing" /\ ~Keeps("timeout-is-unknown") THEN [record EXCEPT !.stage = "flushed"]
  ELSE IF Unflushed(record) THEN [record EXCEPT !.stage = "suspect"] ELSE record

BelieveLateResult(record) ==
  IF record.stage = "suspect" /\ ~Keeps("late-result-is-ignored") THEN [record EXCEPT !.stage = "flushed"] ELSE record

AfterSyncOk(part, log) ==
  [part EXCEPT !.syncing[log] = "idle", !.failures = 0,
               !.mode = IF Keeps("return-when-healthy") THEN "async" ELSE @]

AfterSyncLost(part, log) ==
  LET failures == Min(part.failures + 1, Max(DegradeAfter, RefuseAfter))
  IN  [part EXCEPT !.syncing[log] = "idle", !.failures = failures,
                   !.mode = IF failures >= DegradeAfter /\ Keeps("degrade-after-failures") THEN "sync" ELSE @]

(* ------------------------- Closing and recovering ------------------------ *)

(* However a process ends, nothing is left of what it had in memory. *)
Stopped(part, power) ==
  [part EXCEPT !.power = power, !.mode = "async", !.syncing = OfAllLogs("idle"), !.late = OfAllLogs(FALSE),
               !.failures = 0, !.inflight = 0, !.volatile = 0]

(* The belief in a record is gone, its bytes are where they were. *)
Forgotten(record) == IF Readable(record) THEN Record("cached", record.truth) ELSE Absent

Drained(p) ==
  LET m == messages[p] IN
  /\ ~InFlight(m)
  /\ \A record \in Records(m) : ~Unflushed(record)
  /\ Keeps("close-hands-over") =>
       /\ \A record \in Records(m) : record.stage # "pending"
       /\ m.unrecorded => Passed(p, shared.disk)
AtRest ==
  /\ shared.volatile = shared.cached /\ shared.cached = shared.disk
  /\ shared.syncing = OfAllLogs("idle")

Close ==
  /\ Remains("restarts")
  /\ Holds(Keeps("close-drains") => AtRest /\ \A p \in Places : Drained(p))
  /\ Broadcast("close", Stopped(Spend(shared, "restarts"), "closed"), Everywhere(Forgotten))

(* What recovery reads it writes again, since it may be PHANTOM. *)
Recovered(record) ==
  IF ~Readable(record) THEN Absent
  ELSE [record EXCEPT !.stage =
          IF ~Keeps("recovered-is-cached") THEN "flushed"
          ELSE IF Keeps("rewrite-after-recovery") THEN "suspect" ELSE "cached"]

(* A renewal is enough to know a delivery by. Where nothing of the newest is left, the one before it is the newest known. *)
Found(p) ==
  LET all == EachRecord(messages[p], Recovered)
      m == IF Keeps("recovery-reads-renewals") THEN all ELSE [all EXCEPT !.renewal = Absent]
  IN  IF Readable(m.checkpoint) \/ Readable(m.renewal) THEN m
      ELSE [m EXCEPT !.checkpoint = m.earlier, !.earlier = Absent,
                     !.delivery = IF Readable(m.earlier) THEN Max(1, @ - 1) ELSE 0]

RecoveredMessage(p, offset) ==
  LET m == Found(p)
      released == m.released /\ Readable(m.renewal)
      Unsettled(phase) == [m EXCEPT !.phase = phase, !.asked = FALSE, !.dead = FALSE, !.unrecorded = FALSE,
                                    !.released = released]
      handedOut == IF ~Keeps("recovery-redelivers") THEN "settled" ELSE IF released THEN "due" ELSE "delivered"
  IN  IF Readable(m.ack) /\ Keeps("recovery-reads-acks") THEN [m EXCEPT !.phase = "settled"]
      ELSE IF Readable(m.checkpoint) \/ Readable(m.renewal) THEN Unsettled(handedOut)
      ELSE IF ~Passed(p, offset) THEN Unsettled("waiting")
      ELSE IF m.unrecorded THEN [m EXCEPT !.phase = "settled"]
      ELSE Unsettled("settled")     \* below the offset nobody looks for it any more: it is lost (clause no-limbo)

Recover ==
  LET offset == IF Keeps("recovery-keeps-offset") THEN shared.cached ELSE 0
  IN
  /\ ~Up
  /\ Broadcast("recover", [shared EXCEPT !.power = "up", !.volatile = offset],
       [p \in Places |-> {RecoveredMessage(p, offset)}])
=============================================================================
