------------------------------- MODULE Ladder -------------------------------
(***************************************************************************)
(* The ladder that a record climbs, and where its bytes really are          *)
(* (specs/README.md, "The ladder", "Belief and truth").                     *)
(*                                                                          *)
(* A stage is what the store believes of a record; a truth is where the     *)
(* bytes are, and no store can see it.                                      *)
(***************************************************************************)
EXTENDS Naturals

Record(stage, truth) == [stage |-> stage, truth |-> truth]

Absent   == Record("none", "nowhere")
Accepted == Record("pending", "nowhere")
Written  == Record("cached", "dirty")

(* Belief: has it been written, as far as the store knows, and is it CACHED, or in one of the sub-stages of that? *)
Stored(record)    == record.stage \notin {"none", "pending"}
Flushed(record)   == record.stage = "flushed"
Unflushed(record) == Stored(record) /\ ~Flushed(record)

(* Truth: would a process that opened the log now find it, and would it survive a power loss now? *)
Readable(record) == record.truth # "nowhere"
Durable(record)  == record.truth = "disk"

(* What an OK at a level waits for (clause reply-after-stage). *)
Reaches(record, level) ==
  CASE level = "memory"     -> record.stage # "none"
    [] level = "page-cache" -> Stored(record)
    [] level = "disk"       -> record.stage = "flushed"

(* What a client has been told, as far as the faults since then have left it standing. *)
Nothing              == 0
SurvivesRestart      == 1
SurvivesProcessCrash == 2
SurvivesPowerLoss    == 3

PromiseOf(level) ==
  CASE level = "memory"     -> SurvivesRestart
    [] level = "page-cache" -> SurvivesProcessCrash
    [] level = "disk"       -> SurvivesPowerLoss
=============================================================================
