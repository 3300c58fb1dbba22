------------------------------- MODULE Ackcheck -------------------------------
(***************************************************************************)
(* Asynchronous acknowledgement in TLA+: a second writing of the model in   *)
(* model/ackmodel, made from its text.  README.md beside this file says     *)
(* how the two are compared.                                                *)
(***************************************************************************)
EXTENDS Clauses

Init ==
  /\ shared = InitialShared
  /\ messages = [p \in Places |-> Fresh]
  /\ step = [name |-> "init", actor |-> Nobody]

(* What concerns one message of a store that runs. *)
ProtocolStep(p) ==
  \/ Refuse(p)
  \/ Pop(p) \/ WriteCheckpoint(p) \/ Deliver(p) \/ Bury(p) \/ Buried(p)
  \/ WriteAck(p) \/ AnswerAck(p) \/ AnswerUnknown(p) \/ DurableCallback(p)
  \/ WriteRenewal(p) \/ AnswerRenewal(p) \/ AnswerRelease(p)
  \/ Merge(p) \/ HandOver(p) \/ CommitOffset(p) \/ Retire(p)
  \/ \E kind \in Kinds : Rewrite(p, kind)
EnvironmentStep(p) ==
  \/ AskAck(p) \/ LateAck(p) \/ DuplicateAck(p) \/ ReuseBuffer(p)
  \/ AskRenewal(p) \/ Release(p) \/ Expire(p)
  \/ FailCheckpointWrite(p) \/ FailAckWrite(p) \/ FailRenewalWrite(p)

(* What concerns one log. *)
SyncStep(log) ==
  \/ BeginSync(log) \/ SyncOk(log) \/ SyncLies(log) \/ SyncFails(log) \/ SyncFailsAgain(log) \/ SyncTimesOut(log)
  \/ LateSyncOk(log) \/ LateSyncFails(log)

Next ==
  \/ Up /\ \E p \in Places : ProtocolStep(p) \/ EnvironmentStep(p)
  \/ Up /\ \E log \in AllLogs : SyncStep(log)
  \/ Up /\ (WriteOffset \/ SyncDirectory \/ ResetOffset \/ ResetFails \/ ResetLies \/ Close)
  \/ Recover \/ ProcessCrash \/ PowerLoss

Spec == Init /\ [][Next]_vars

(* Two states that differ only in the step that led there are one: TLC is given this as the VIEW. *)
State == <<shared, messages>>

EveryState == \A clause \in StateClauses : KeptInState(clause)
EveryStep == [][\A clause \in StepClauses : KeptByStep(clause)]_vars
=============================================================================
