------------------------------ MODULE TwoPhase ------------------------------
(* Two-phase commit, after Gray and Lamport, "Consensus on Transaction Commit". *)
(* The same as model/ackexplore/examples/two_phase_commit.py.                   *)

CONSTANT RM

VARIABLES doing, decision, received, network

Prepared == [type : {"prepared"}, from : RM]
Decided == [type : {"commit", "abort"}]

TypeOK ==
  /\ doing \in [RM -> {"working", "prepared", "committed", "aborted"}]
  /\ decision \in {"none", "commit", "abort"}
  /\ received \subseteq RM
  /\ network \subseteq (Prepared \cup Decided)

Init ==
  /\ doing = [rm \in RM |-> "working"]
  /\ decision = "none"
  /\ received = {}
  /\ network = {}

Prepare(rm) ==
  /\ doing[rm] = "working"
  /\ doing' = [doing EXCEPT ![rm] = "prepared"]
  /\ network' = network \cup {[type |-> "prepared", from |-> rm]}
  /\ UNCHANGED <<decision, received>>

ChooseToAbort(rm) ==
  /\ doing[rm] = "working"
  /\ doing' = [doing EXCEPT ![rm] = "aborted"]
  /\ UNCHANGED <<decision, received, network>>

ReceivePrepared(rm) ==
  /\ decision = "none"
  /\ [type |-> "prepared", from |-> rm] \in network
  /\ received' = received \cup {rm}
  /\ UNCHANGED <<doing, decision, network>>

ReceiveCommit(rm) ==
  /\ [type |-> "commit"] \in network
  /\ doing' = [doing EXCEPT ![rm] = "committed"]
  /\ UNCHANGED <<decision, received, network>>

ReceiveAbort(rm) ==
  /\ [type |-> "abort"] \in network
  /\ doing' = [doing EXCEPT ![rm] = "aborted"]
  /\ UNCHANGED <<decision, received, network>>

DecideToCommit ==
  /\ decision = "none"
  /\ received = RM
  /\ decision' = "commit"
  /\ network' = network \cup {[type |-> "commit"]}
  /\ UNCHANGED <<doing, received>>

DecideToAbort ==
  /\ decision = "none"
  /\ decision' = "abort"
  /\ network' = network \cup {[type |-> "abort"]}
  /\ UNCHANGED <<doing, received>>

Next ==
  \/ DecideToCommit
  \/ DecideToAbort
  \/ \E rm \in RM :
       \/ Prepare(rm) \/ ChooseToAbort(rm) \/ ReceivePrepared(rm)
       \/ ReceiveCommit(rm) \/ ReceiveAbort(rm)

Spec == Init /\ [][Next]_<<doing, decision, received, network>>

Consistent == \A one, other \in RM : ~(doing[one] = "aborted" /\ doing[other] = "committed")
=============================================================================
