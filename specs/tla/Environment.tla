------------------------------ MODULE Environment ------------------------------
(***************************************************************************)
(* What the store has no say in: consumers, deadlines, the operating        *)
(* system, the disk, and the power.  Here the truth of a record changes;    *)
(* what the store makes of it stands in Protocol.  Each fault uses up a     *)
(* budget.                                                                  *)
(***************************************************************************)
EXTENDS Protocol

(* ------------------------- Consumers and the clock ----------------------- *)

AskAck(p) ==
  LET m == messages[p] IN
  /\ m.phase = "delivered"
  /\ ~Refuses
  /\ Local("ask_ack", p, TakenUp(shared), [m EXCEPT !.phase = "acking", !.asked = TRUE, !.ack = Accepted])

(* A receipt that is not current is acked, and answered EXPIRED: of an earlier delivery, or (by careless consumers) after
   the deadline, or given back. *)
LateAck(p) ==
  LET m == messages[p]
      Unless(rule) ==
        IF Keeps(rule) THEN Local("late_ack", p, shared, m)
        ELSE Local("late_ack", p, TakenUp(shared), [m EXCEPT !.phase = "acking", !.ack = Accepted])
  IN  \/ m.phase = "delivered" /\ m.delivery > 1 /\ Unless("receipt-names-delivery")
      \/ Careless /\ m.phase = "due" /\ ~m.released /\ Unless("expired-is-refused")
      \/ Careless /\ m.phase = "due" /\ m.released /\ Unless("release-ends-delivery")

(* A settled message is acked again, and answered SETTLED once the first ack is as far as an OK needs it: that promises
   what OK does. Where no record of the ack is left, nothing has to be waited for, or promised anew. *)
DuplicateAck(p) ==
  LET m == messages[p] IN
  /\ Careless
  /\ m.phase = "settled" /\ ~m.dead
  /\ IF ~Keeps("duplicate-changes-nothing")
     THEN Local("duplicate_ack", p, TakenUp(shared),
            [m EXCEPT !.phase = "acking", !.ack = Accepted, !.unrecorded = FALSE])
     ELSE IF m.ack.stage = "none" THEN Local("duplicate_ack", p, shared, m)
     ELSE /\ MayAnswer(m.ack)
          /\ Local("duplicate_ack", p, shared, [m EXCEPT !.promise = Max(@, PromiseOf(AnswerLevel))])

(* A client writes into what it has submitted, before it is written. *)
ReuseBuffer(p) ==
  LET m == messages[p] IN
  /\ Careless
  /\ m.phase = "acking" /\ ~m.dead /\ m.ack.stage = "pending" /\ ~m.garbled
  /\ Local("reuse_buffer", p, shared, [m EXCEPT !.garbled = ~Keeps("arguments-are-frozen")])

(* Something becomes of a delivery that ends without an ack: another one, or a dead letter. *)
MayReturn(m) == m.delivery < Deliveries \/ DeadLetters

(* Another deadline, once a delivery: a later one, or none, when the delivery is given back. *)
MayMove(m) == m.phase = "delivered" /\ m.renewal.stage = "none" /\ ~Refuses

AskRenewal(p) ==
  LET m == messages[p] IN
  /\ Remains("renewals")
  /\ Holds(MayMove(m))
  /\ Local("ask_renewal", p, TakenUp(Spend(shared, "renewals")), [m EXCEPT !.phase = "renewing", !.renewal = Accepted])

Release(p) ==
  LET m == messages[p] IN
  /\ Remains("releases")
  /\ Holds(MayMove(m) /\ MayReturn(m))
  /\ Local("release", p, TakenUp(Spend(shared, "releases")),
       [m EXCEPT !.phase = "renewing", !.renewal = Accepted, !.released = TRUE])

(* The deadline that the store knows of passes; a renewal that it has forgotten still stands in `renewed`. *)
Expire(p) ==
  LET m == messages[p]
      watched == (IF Keeps("deadline-is-watched") THEN {"delivered"} ELSE {})
                 \cup (IF Keeps("settled-is-final") THEN {} ELSE {"settled"})
  IN
  /\ m.phase \in watched
  /\ Holds(MayReturn(m))
  /\ Local("expire", p, shared, [m EXCEPT !.phase = "due", !.renewed = IF m.renewal.stage = "none" THEN @ ELSE Nothing])

(* ------------------------------ Failed writes ---------------------------- *)

(* An operation that waits for its record ends. What was answered from memory already stays there, to be tried again. In a
   store that forgets the operation (without `failure-ends-operation`) only the record is gone. *)
FailedWrite(name, p, waiting, forgotten, ended) ==
  LET spent == Spend(shared, "write_failures")
  IN  IF ~Keeps("failure-ends-operation") THEN Local(name, p, spent, forgotten)
      ELSE IF ~waiting THEN Local(name, p, spent, messages[p])
      ELSE Local(name, p, IF Keeps("failure-clears-inflight") THEN Ended(spent) ELSE spent, ended)

(* The pop is answered FAILED, and is as if it had not been. *)
FailCheckpointWrite(p) ==
  LET m == messages[p] IN
  /\ Remains("write_failures")
  /\ m.checkpoint.stage = "pending"
  /\ FailedWrite("fail_checkpoint_write", p, m.phase = "popping",
       [m EXCEPT !.checkpoint = Absent],
       [m EXCEPT !.phase = IF m.delivery = 1 THEN "waiting" ELSE "due", !.delivery = @ - 1,
                 !.checkpoint = m.earlier, !.earlier = Absent])

(* The ack is answered FAILED, the consumer still has the message; a dead letter is tried again. *)
FailAckWrite(p) ==
  LET m == messages[p]
      refused == [m EXCEPT !.phase = "delivered", !.ack = Absent, !.asked = FALSE,
                           !.promise = IF Keeps("failed-write-is-not-ok") THEN @ ELSE SurvivesProcessCrash]
      ended == IF Keeps("failed-write-is-not-stored") THEN refused
               ELSE [refused EXCEPT !.phase = "settled", !.ack = Record("cached", "nowhere")]
      unburied == [m EXCEPT !.phase = "due", !.ack = Absent, !.dead = FALSE]
  IN
  /\ Remains("write_failures")
  /\ m.ack.stage = "pending"
  /\ IF m.dead /\ Keeps("failure-ends-operation")
     THEN Local("fail_ack_write", p, Spend(shared, "write_failures"), unburied)
     ELSE FailedWrite("fail_ack_write", p, m.phase = "acking", [m EXCEPT !.ack = Absent], ended)

(* The renewal or the release is answered FAILED, the delivery keeps the deadline it had. *)
FailRenewalWrite(p) ==
  LET m == messages[p]
      told == IF m.released \/ Keeps("failed-write-is-not-ok") THEN m.renewed ELSE SurvivesProcessCrash
  IN
  /\ Remains("write_failures")
  /\ m.renewal.stage = "pending"
  /\ FailedWrite("fail_renewal_write", p, m.phase = "renewing",
       [m EXCEPT !.renewal = Absent],
       [m EXCEPT !.phase = "delivered", !.renewal = Absent, !.released = FALSE, !.renewed = told])

(* ------------------------------ How syncs end ---------------------------- *)

Running(log) == shared.syncing[log] # "idle"
CoversDirty(record) == record.stage = "flushing" /\ record.truth = "dirty"
CoversLost(record) == record.stage = "flushing" /\ record.truth \in {"phantom", "nowhere"}
Kept(record) == IF CoversDirty(record) THEN [record EXCEPT !.truth = "disk"] ELSE record
Dropped(record) == IF CoversDirty(record) THEN [record EXCEPT !.truth = Lost] ELSE record

(* With `ConfirmSyncs` a success counts only once another sync, begun after it, has succeeded too. *)
Counts(log) == ~ConfirmSyncs \/ shared.syncing[log] = "confirming"
AfterSuccess(part, log) == IF Counts(log) THEN AfterSyncOk(part, log) ELSE [part EXCEPT !.syncing[log] = "confirming"]
Believing(log, record) == IF Counts(log) THEN BelieveSyncOk(record) ELSE record

(* Where the error is told to each sync, one that covers what an earlier one has lost cannot succeed. *)
ToldAgain(log) == SyncError = "each" /\ SomeInLog(log, CoversLost)

SyncOk(log) ==
  /\ Running(log)
  /\ ~shared.owed[log]
  /\ ~ToldAgain(log)
  /\ Broadcast("sync_ok", AfterSuccess(shared, log), RecordsInLog(log, LAMBDA record : Believing(log, Kept(record))))

(* The running sync loses bytes and returns success: the error is owed to the next one. *)
SyncLies(log) ==
  /\ SyncError = "late"
  /\ Remains("sync_failures")
  /\ Running(log)
  /\ ~shared.owed[log]
  /\ Holds(SomeInLog(log, CoversDirty))
  /\ Broadcast("sync_lies", [AfterSuccess(Spend(shared, "sync_failures"), log) EXCEPT !.owed[log] = TRUE],
       RecordsInLog(log, LAMBDA record : Believing(log, Dropped(record))))

(* The running sync fails: what it covered is lost, and what was written while it ran may be. *)
AfterFailure(record) ==
  IF record.stage = "cached" /\ record.truth = "dirty" THEN {record, [record EXCEPT !.truth = Lost]} ELSE {Dropped(record)}
FailedMessage(m) ==
  {[m EXCEPT !.checkpoint = BelieveSyncFailed(c), !.earlier = BelieveSyncFailed(e),
             !.ack = BelieveSyncFailed(a), !.renewal = BelieveSyncFailed(r)] :
     c \in AfterFailure(m.checkpoint), e \in AfterFailure(m.earlier),
     a \in AfterFailure(m.ack), r \in AfterFailure(m.renewal)}

(* An error that is owed is of bytes lost before: what this sync covered is on the disk, but the store cannot know. *)
SyncFails(log) ==
  /\ Running(log)
  /\ IF shared.owed[log]
     THEN Broadcast("sync_fails", [AfterSyncLost(shared, log) EXCEPT !.owed[log] = FALSE],
            RecordsInLog(log, LAMBDA record : BelieveSyncFailed(Kept(record))))
     ELSE /\ SyncError # "late"
          /\ Remains("sync_failures")
          /\ Broadcast("sync_fails", AfterSyncLost(Spend(shared, "sync_failures"), log),
               InLog(log, [p \in Places |-> FailedMessage(messages[p])]))

(* It costs no failure of the budget, and writes nothing. *)
SyncFailsAgain(log) ==
  /\ Running(log)
  /\ Holds(ToldAgain(log))
  /\ Broadcast("sync_fails_again", AfterSyncLost(shared, log), RecordsInLog(log, BelieveSyncFailed))

(* The running sync is given up, and may still end in the kernel: then it concerns what was not yet written again. *)
SyncTimesOut(log) ==
  /\ Remains("sync_timeouts")
  /\ Running(log)
  /\ Broadcast("sync_times_out", [AfterSyncLost(Spend(shared, "sync_timeouts"), log) EXCEPT !.late[log] = TRUE],
       RecordsInLog(log, BelieveSyncTimedOut))

NotYetRewritten(record) == record.stage = "suspect" /\ record.truth = "dirty"

LateSyncOk(log) ==
  LET Reached(record) == IF NotYetRewritten(record) THEN [record EXCEPT !.truth = "disk"] ELSE record
  IN
  /\ shared.late[log]
  /\ Broadcast("late_sync_ok", [shared EXCEPT !.late[log] = FALSE],
       RecordsInLog(log, LAMBDA record : BelieveLateResult(Reached(record))))

LateSyncFails(log) ==
  /\ Remains("sync_failures")
  /\ shared.late[log]
  /\ Broadcast("late_sync_fails", [Spend(shared, "sync_failures") EXCEPT !.late[log] = FALSE],
       RecordsInLog(log, LAMBDA record : IF NotYetRewritten(record) THEN [record EXCEPT !.truth = Lost] ELSE record))

(* ------------------------------ Resets gone wrong ------------------------ *)

(* The sync of a RESET loses it. Who has noticed is as before, and writes it again; until then the queue is BUSY. Who has
   not believes in what a power loss will undo. *)
GoneWrong(name, noticed) ==
  /\ Remains("resets")
  /\ Remains("sync_failures")
  /\ NoneInFlight
  /\ IF noticed THEN Broadcast(name, Spend(shared, "sync_failures"), Same)
     ELSE Broadcast(name, [BegunAnew EXCEPT !.cached = 0, !.owed[0] = SyncError = "late",
                                            !.budget.sync_failures = @ - 1], Afresh)

(* The sync fails; or it returns success, and who syncs once more before the RESET counts is told of it then. *)
ResetFails == SyncError # "late" /\ GoneWrong("reset_fails", Keeps("failed-sync-is-not-flushed"))
ResetLies ==
  /\ SyncError = "late"
  /\ \A log \in AllLogs : ~shared.owed[log]
  /\ GoneWrong("reset_lies", ConfirmSyncs /\ Keeps("reset-is-confirmed"))

(* --------------------------------- Crashes ------------------------------- *)

(* Promises that are less than `least` are void. *)
Keeping(m, least) ==
  [m EXCEPT !.promise = IF @ < least THEN Nothing ELSE @, !.renewed = IF @ < least THEN Nothing ELSE @]

(* The process dies: its memory goes, the page cache lives. *)
ProcessCrash ==
  /\ Up
  /\ Remains("process_crashes")
  /\ Broadcast("process_crash", Stopped(Spend(shared, "process_crashes"), "crashed"),
       [p \in Places |-> {Keeping(EachRecord(messages[p], Forgotten), SurvivesProcessCrash)}])

(* The machine stops: each record that was not synced survives, or does not. *)
Survivors(record) ==
  LET onDisk == Record("cached", "disk")
  IN  CASE record.truth = "disk" -> {onDisk}
        [] record.truth = "dirty" -> {Absent, onDisk}
        [] OTHER -> {Absent}
Unpowered(m) ==
  {Keeping([m EXCEPT !.checkpoint = c, !.earlier = e, !.ack = a, !.renewal = r], SurvivesPowerLoss) :
     c \in Survivors(m.checkpoint), e \in Survivors(m.earlier), a \in Survivors(m.ack), r \in Survivors(m.renewal)}

(* The offset file: the old one or the new one. One that is written in place may be neither, and reads as 0. *)
OffsetsLeft ==
  {shared.disk, shared.cached}
  \cup (IF shared.disk = shared.cached \/ Keeps("offset-file-is-atomic") THEN {} ELSE {0})

PowerLoss ==
  /\ shared.power # "lost"
  /\ Remains("power_losses")
  /\ \E offset \in OffsetsLeft :
       Broadcast("power_loss",
         [Stopped(Spend(shared, "power_losses"), "lost") EXCEPT
            !.owed = OfAllLogs(FALSE), !.cached = offset, !.disk = offset],
         [p \in Places |-> Unpowered(messages[p])])
=============================================================================
