------------------------------- MODULE InTheEnd -------------------------------
(***************************************************************************)
(* What must happen in the end (specs/model.md), in every fair run: five    *)
(* clauses say of something that it ends, whenever it has begun.            *)
(*                                                                          *)
(* TLC does not take a VIEW where it looks at whole runs, so the last step  *)
(* is not noted here: the settings put `Unnoted` in the place of `Noted`.   *)
(***************************************************************************)
EXTENDS Ackcheck

Unnoted(name, actor) == [name |-> "init", actor |-> Nobody]

(* -------------------------------- What is fair --------------------------- *)

(* The store does not put off for ever what it can do, somebody asks for messages, and deadlines pass. *)
FairToMessages ==
  \A p \in Places :
    /\ WF_State(Up /\ Pop(p)) /\ WF_State(Up /\ WriteCheckpoint(p)) /\ WF_State(Up /\ Deliver(p))
    /\ WF_State(Up /\ Bury(p)) /\ WF_State(Up /\ Buried(p))
    /\ WF_State(Up /\ WriteAck(p)) /\ WF_State(Up /\ AnswerAck(p)) /\ WF_State(Up /\ AnswerUnknown(p))
    /\ WF_State(Up /\ WriteRenewal(p)) /\ WF_State(Up /\ AnswerRenewal(p)) /\ WF_State(Up /\ AnswerRelease(p))
    /\ WF_State(Up /\ CommitOffset(p)) /\ WF_State(Up /\ Expire(p))
    /\ \A kind \in Kinds : WF_State(Up /\ Rewrite(p, kind))

(* A running sync that no fault ends succeeds; one that is told of an old error ends by that. *)
FairToLogs ==
  \A log \in AllLogs :
    /\ WF_State(Up /\ BeginSync(log))
    /\ WF_State(Up /\ (SyncOk(log) \/ SyncFailsAgain(log) \/ (shared.owed[log] /\ SyncFails(log))))

FairToTheStore ==
  WF_State(Up /\ WriteOffset) /\ WF_State(Up /\ SyncDirectory) /\ WF_State(Recover)

FairSpec == Init /\ [][Next]_State /\ FairToMessages /\ FairToLogs /\ FairToTheStore

(* ------------------------------- What must end --------------------------- *)

(* A record is not FLUSHED. *)
NotFlushed(p) == \E record \in Records(messages[p]) : Unflushed(record) \/ record.stage = "pending"
FlushWhenIdle == \A p \in Places : NotFlushed(p) ~> ~NotFlushed(p)

(* A message is settled, and the offset on the disk stands right before it. *)
NextToPass(p) ==
  LET m == messages[p]
  IN  m.phase = "settled" /\ (Stored(m.ack) \/ m.unrecorded) /\ shared.disk = p /\ ~Uncommitted
CommitProgresses == \A p \in Places : NextToPass(p) ~> ~NextToPass(p)

(* A delivery runs, or has ended without an ack, and another one or a dead letter may follow. *)
HandedOut(p) == messages[p].phase \in {"delivered", "due"} /\ MayReturn(messages[p])
NoLimboInTheEnd == \A p \in Places : HandedOut(p) ~> ~HandedOut(p)

(* An operation has not ended. *)
ReplyExactlyOnceInTheEnd == \A p \in Places : InFlight(messages[p]) ~> ~InFlight(messages[p])

(* The store answers at DISK because syncs have failed. *)
Degraded == shared.mode = "sync"
FlushDegradesInTheEnd == Degraded ~> ~Degraded
=============================================================================
