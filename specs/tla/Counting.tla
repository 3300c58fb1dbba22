------------------------------- MODULE Counting -------------------------------
(***************************************************************************)
(* What TLC is asked to count, so that it can be set beside `ackcheck       *)
(* explore`: transitions by name; states, and transitions, that break a     *)
(* clause, and how far away the nearest is.  TLC itself says how many       *)
(* states and transitions there are.  For one worker only: the registers    *)
(* are a worker's own.                                                      *)
(***************************************************************************)
EXTENDS Ackcheck, TLC

FoundStates == 1  \* states found
LeftStates  == 2  \* states left behind: all their successors are known
Steps       == 3  \* by name, how many transitions
Broken      == 4  \* by clause, how many states or transitions break it
Distances   == 5  \* by clause, how many steps lead to the first of them

None == [nothing \in {} |-> 0]
ASSUME
  /\ TLCSet(FoundStates, 0) /\ TLCSet(LeftStates, 0)
  /\ TLCSet(Steps, None) /\ TLCSet(Broken, None) /\ TLCSet(Distances, None)

Add(register, name, first, more) ==
  LET counts == TLCGet(register)
  IN  TLCSet(register, IF name \in DOMAIN counts THEN [counts EXCEPT ![name] = @ + more] ELSE (name :> first) @@ counts)

Breaks(clause, distance) == Add(Broken, clause, 1, 1) /\ Add(Distances, clause, distance, 0)

(* An invariant that always holds: TLC looks at it once in each distinct state, breadth first. The level is then still
   that of the state before, as it is in a transition; the first state is at level 1. *)
CountState ==
  /\ TLCSet(FoundStates, TLCGet(FoundStates) + 1)
  /\ \A clause \in StateClauses : KeptInState(clause) \/ Breaks(clause, TLCGet("level"))

(* A constraint that always holds: TLC looks at it once in each transition. *)
CountStep ==
  /\ Add(Steps, step'.name, 1, 1)
  /\ \A clause \in StepClauses : KeptByStep(clause) \/ Breaks(clause, TLCGet("level"))

(* What TLC tries last in each state, and never can: when every state found is left, everything is counted. *)
Report ==
  /\ TLCSet(LeftStates, TLCGet(LeftStates) + 1)
  /\ TLCGet(LeftStates) = TLCGet(FoundStates)
  /\ PrintT(<<"steps", TLCGet(Steps)>>)
  /\ PrintT(<<"broken", TLCGet(Broken)>>)
  /\ PrintT(<<"distances", TLCGet(Distances)>>)
  /\ FALSE
  /\ UNCHANGED vars

CountingSpec == Init /\ [][Next \/ Report]_vars
=============================================================================
