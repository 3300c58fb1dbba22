-------------------------------- MODULE State --------------------------------
(***************************************************************************)
(* What is to be modelled (the settings, specs/model.md), the state of it   *)
(* (one shared part, and the messages), and the two kinds of steps.         *)
(***************************************************************************)
EXTENDS Ladder, FiniteSets, Sequences

CONSTANTS
  \* how many: messages of the queue, deliveries each may have, logs that are synced each by itself
  Messages, Deliveries, Logs,
  \* how often at most: faults, and what a client does now and then
  ProcessCrashes, PowerLosses, SyncFailures, SyncTimeouts, WriteFailures, Renewals, Releases, Restarts, Resets,
  \* after this many failed syncs answers wait for the disk, or are BUSY; this many operations are taken up (0: no limit)
  DegradeAfter, RefuseAfter, Limit,
  \* "memory", "page-cache", "disk"; "ack", "checkpoint"; "once", "each", "late"; "kept", "reverted"
  Level, Commit, SyncError, FailedPage, InPlace,
  \* on or off
  ConfirmSyncs, DeadLetters, MergeBuffer, Compaction, Careless, Uncommitted,
  \* the names of the rules that are switched off
  Without

VARIABLES
  shared,    \* what the messages have in common
  messages,  \* the messages, by place from 0 on
  step       \* the last step's name and message; no part of the state, see `State` in Ackcheck.tla

vars == <<shared, messages, step>>

Keeps(rule) == rule \notin Without

Places == 0 .. Messages - 1
AllLogs == 0 .. Logs - 1
LogOf(p) == p % Logs
Nobody == 0 - 1

Max(a, b) == IF a > b THEN a ELSE b
Min(a, b) == IF a < b THEN a ELSE b

(* ------------------------------- The state ------------------------------- *)

(* A message, the four records about it, and the ghosts that no store sees: `asked` (the consumer of this delivery asked
   to ack it), `promise` and `renewed` (what the answers to its ack and to its renewal still promise), `garbled` (the ack
   is no longer what was submitted). *)
Fresh ==
  [phase |-> "waiting", delivery |-> 0,
   checkpoint |-> Absent, earlier |-> Absent, ack |-> Absent, renewal |-> Absent,
   released |-> FALSE, dead |-> FALSE, unrecorded |-> FALSE,
   asked |-> FALSE, promise |-> Nothing, renewed |-> Nothing, garbled |-> FALSE]

Kinds == {"checkpoint", "earlier", "ack", "renewal"}
Records(m) == {m[kind] : kind \in Kinds}
EachRecord(m, Change(_)) ==
  [m EXCEPT !.checkpoint = Change(@), !.earlier = Change(@), !.ack = Change(@), !.renewal = Change(@)]

InFlight(m) == m.phase \in {"popping", "acking", "renewing"}
Passed(p, offset) == offset > p

OfAllLogs(value) == [log \in AllLogs |-> value]

(* `late`: a sync that was given up may still end. `owed`: bytes were lost in a sync that returned success, and the next
   one will be told. The offset: `volatile` in memory, `cached` in the file, `disk` in the file after a power loss. *)
InitialShared ==
  [power |-> "up", mode |-> "async",
   syncing |-> OfAllLogs("idle"), late |-> OfAllLogs(FALSE), owed |-> OfAllLogs(FALSE),
   failures |-> 0, inflight |-> 0,
   volatile |-> 0, cached |-> 0, disk |-> 0,
   budget |-> [process_crashes |-> ProcessCrashes, power_losses |-> PowerLosses,
               sync_failures |-> SyncFailures, sync_timeouts |-> SyncTimeouts,
               write_failures |-> WriteFailures, renewals |-> Renewals,
               releases |-> Releases, restarts |-> Restarts, resets |-> Resets]]

Up == shared.power = "up"
Remains(kind) == shared.budget[kind] > 0
Spend(part, kind) == [part EXCEPT !.budget[kind] = @ - 1]

TypeOK ==
  LET records == [stage : {"none", "pending", "cached", "flushing", "suspect", "flushed"},
                  truth : {"nowhere", "dirty", "phantom", "disk"}]
  IN
  /\ shared.power \in {"up", "crashed", "lost", "closed"}
  /\ shared.mode \in {"async", "sync"}
  /\ shared.syncing \in [AllLogs -> {"idle", "running", "confirming"}]
  /\ shared.late \in [AllLogs -> BOOLEAN] /\ shared.owed \in [AllLogs -> BOOLEAN]
  /\ shared.failures \in 0 .. Max(DegradeAfter, RefuseAfter)
  /\ shared.inflight \in Nat
  /\ {shared.volatile, shared.cached, shared.disk} \subseteq 0 .. Messages
  /\ \A kind \in DOMAIN shared.budget : shared.budget[kind] \in Nat
  /\ \A p \in Places :
       LET m == messages[p] IN
       /\ m.phase \in {"waiting", "popping", "delivered", "renewing", "acking", "due", "settled"}
       /\ m.delivery \in 0 .. Deliveries
       /\ Records(m) \subseteq records
       /\ {m.released, m.dead, m.unrecorded, m.asked, m.garbled} \subseteq BOOLEAN
       /\ {m.promise, m.renewed} \subseteq Nothing .. SurvivesPowerLoss

(* Where bytes are that a failed sync has lost. *)
Lost == IF FailedPage = "kept" THEN "phantom" ELSE "nowhere"

(* ------------------------------- The steps ------------------------------- *)

(* A condition as a value. In a step TLC follows each way in which a bare disjunction can be true, and counts the step as
   often; a value it only looks at. *)
Holds(condition) == condition = TRUE

(* How a step is noted; InTheEnd does without. *)
Noted(name, actor) == [name |-> name, actor |-> actor]

(* A local step concerns one message, and the shared part. *)
Local(name, p, part, message) ==
  /\ shared' = part
  /\ messages' = [messages EXCEPT ![p] = message]
  /\ step' = Noted(name, p)

(* Each way to choose one outcome for each message. *)
RECURSIVE Choices(_, _)
Choices(outcomes, places) ==
  IF places = {} THEN {[p \in {} |-> Fresh]}
  ELSE LET first == CHOOSE p \in places : TRUE
       IN  {[p \in places |-> IF p = first THEN one ELSE others[p]] :
              one \in outcomes[first], others \in Choices(outcomes, places \ {first})}

(* A broadcast step concerns the shared part, and every message: each may have several outcomes, independently. *)
Broadcast(name, part, outcomes) ==
  /\ shared' = part
  /\ messages' \in Choices(outcomes, Places)
  /\ step' = Noted(name, Nobody)

Same == [p \in Places |-> {messages[p]}]
Everywhere(Change(_)) == [p \in Places |-> {EachRecord(messages[p], Change)}]
InLog(log, outcomes) == [p \in Places |-> IF LogOf(p) = log THEN outcomes[p] ELSE {messages[p]}]
RecordsInLog(log, Change(_)) == InLog(log, Everywhere(Change))

SomeInLog(log, Wanted(_)) == \E p \in Places : LogOf(p) = log /\ \E record \in Records(messages[p]) : Wanted(record)
=============================================================================
