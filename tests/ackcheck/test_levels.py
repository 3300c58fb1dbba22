"""What may be said of a level: each sentence of specs/verdict.md about levels, held by a test."""

import re
from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve

from ackcheck.findings import Finding, GradeReport
from ackcheck.hits import Fault, Hit, Hits
from ackcheck.levels import DEFINING, FLOORS, Status, judged
from ackcheck.verdict import ModeReport, Verdict
from ackmodel import Clause, Level

MEMORY, PAGE_CACHE, DISK = Level.MEMORY, Level.PAGE_CACHE, Level.DISK
FLOOR = FLOORS["quick"]
CLOSE, CRASH, POWER = Clause.CLOSE_DRAINS, Clause.SURVIVES_PROCESS_CRASH, Clause.SURVIVES_POWER_LOSS
PLENTY = Counter(dict.fromkeys((CLOSE, CRASH, POWER), 9))


def report(grade: str = "sim", **changes: object) -> GradeReport:
    at_stake = {level: Counter(PLENTY) for level in Level}
    return GradeReport(grade, 1, cases=1, at_stake=at_stake, simulated=grade == "sim", **changes)  # type: ignore[arg-type]


def refuting(*levels: Level) -> GradeReport:
    found = report()
    found.found(Finding(Clause.NO_RETURN, "it came back", "sim", 1, refutes=levels))
    return found


def statuses(*reports: GradeReport, levels: tuple[Level, ...] = tuple(Level)) -> list[Status]:
    return [told.status for told in ModeReport(levels, reports, FLOOR).judged]


@pytest.mark.parametrize("level", Level)
def test_a_level_is_kept_where_each_defining_clause_was_at_stake_as_often_as_the_floor(level: Level) -> None:
    needed = Counter({clause: FLOOR[clause] for clause in DEFINING[level]})
    exactly = GradeReport("sim", 1, cases=1, at_stake={level: needed}, simulated=True)
    assert judged(level, [exactly], FLOOR).status == "kept"
    for clause in DEFINING[level]:
        less = GradeReport("sim", 1, cases=1, at_stake={level: Counter(needed)}, simulated=True)
        less.at_stake[level][clause] -= 1
        assert judged(level, [less], FLOOR).status == "not-judged", clause


def test_nothing_found_keeps_nothing() -> None:
    told = judged(DISK, [GradeReport("process", 1, cases=5, hits=Hits())], FLOOR)
    assert (told.status, told.why) == ("not-judged", "no power loss put an answered ack to the test")
    assert told.mend == "run it with --faults power"


def test_a_fault_that_was_not_seen_to_hit_does_not_count() -> None:
    missed = Hits().plus(*[Hit(Fault.POWER_LOSS, "a cgroup", wrote=1, missed="postgres lived on: name it")] * 9)
    told = judged(DISK, [report("power", hits=missed, ran=Counter({"power loss": 9}))], FLOOR)
    assert told.status == "not-judged"
    assert "postgres lived on" in told.why
    hit = Hits().plus(*[Hit(Fault.POWER_LOSS, "a cgroup", killed=1, wrote=1)] * 9)
    assert judged(DISK, [report("power", hits=hit)], FLOOR).status == "kept"


def test_a_target_that_never_wrote_to_its_directory_is_not_judged() -> None:
    elsewhere = Hits().plus(*[Hit(Fault.PROCESS_CRASH, "a cgroup", killed=1)] * 9)
    told = judged(PAGE_CACHE, [report("process", hits=elsewhere), report()], FLOOR)
    assert told.status == "kept"  # the other grade has judged it
    told = judged(PAGE_CACHE, [report("process", hits=elsewhere)], FLOOR)
    assert (told.status, "never wrote to its directory" in told.why) == ("not-judged", True)


def test_a_barrier_that_is_not_promised_need_not_be_tried() -> None:
    none = report()
    none.at_stake[PAGE_CACHE][POWER] = 0
    assert judged(PAGE_CACHE, [none], FLOOR).status == "not-judged"
    assert "barrier" in judged(PAGE_CACHE, [none], FLOOR).mend
    assert judged(PAGE_CACHE, [none], FLOOR, barrier=False).status == "kept"


@pytest.mark.parametrize(
    ("refuted", "expected"),
    [
        ((), ["kept", "kept", "kept"]),
        ((DISK,), ["kept", "kept", "broken"]),
        ((PAGE_CACHE,), ["kept", "broken", "broken"]),
        ((MEMORY,), ["broken", "broken", "broken"]),
    ],
)
def test_what_refutes_a_level_refutes_those_above_it(refuted: tuple[Level, ...], expected: list[Status]) -> None:
    assert statuses(refuting(*refuted)) == expected


def test_a_finding_of_one_grade_refutes_what_another_kept() -> None:
    assert statuses(report("process"), refuting(DISK)) == ["kept", "kept", "broken"]


@pytest.mark.parametrize(
    ("modes", "chosen", "outcome", "level"),
    [
        ([ModeReport(tuple(Level), (report(),))], False, "kept", DISK),
        ([ModeReport(tuple(Level), (refuting(DISK),))], False, "kept", PAGE_CACHE),
        ([ModeReport(tuple(Level), (refuting(MEMORY),))], False, "broken", None),
        ([ModeReport(tuple(Level), (GradeReport("process", 1),))], False, "not-judged", None),
        ([ModeReport((DISK,), (refuting(DISK),))], True, "broken", None),
        ([ModeReport((DISK,), ())], True, "not-judged", None),
        ([ModeReport((MEMORY,), (report(),)), ModeReport((DISK,), (refuting(DISK),))], False, "broken", MEMORY),
        ([ModeReport((MEMORY,), (report(),)), ModeReport((DISK,), ())], False, "not-judged", MEMORY),
    ],
)
def test_the_outcome_is_kept_only_where_every_level_that_was_asked_for_is(
    modes: list[ModeReport], chosen: bool, outcome: Status, level: Level | None
) -> None:
    verdict = Verdict("it", tuple(modes), chosen=chosen)
    assert (verdict.outcome, verdict.level) == (outcome, level)
    assert verdict.as_json()["level"] == (level.value if level else None)


def test_nothing_is_kept_where_a_step_of_the_simulation_never_ran() -> None:
    verdict = Verdict("it", (ModeReport((DISK,), (report(),)),), chosen=True)
    assert verdict.outcome == "kept"
    assert evolve(verdict, never_ran=("lose_power",)).outcome == "not-judged"


def test_a_clean_restart_counts_only_where_it_was_seen_to_reach_what_the_target_keeps() -> None:
    elsewhere = Hits().plus(Hit(Fault.CLEAN_RESTART, "a cgroup", peers=("process 71 (redis-server)",)))
    told = judged(MEMORY, [report("process", hits=elsewhere)], FLOOR)
    assert told.status == "not-judged"
    assert "connected to process 71 (redis-server): have the target start that server" in told.why
    seen = Hits().plus(Hit(Fault.CLEAN_RESTART, "a cgroup", wrote=1))
    assert judged(MEMORY, [report("process", hits=seen)], FLOOR).status == "kept"


def test_equal_findings_are_folded_and_others_are_not() -> None:
    found = report()
    for why in ("q[1]: it came at 3.5", "q[22]: it came at 9", "q[1]: it never came"):
        found.found(Finding(Clause.NO_LIMBO, why, "sim", 1, refutes=(DISK,)))
    found.found(Finding(Clause.NO_LIMBO, "q[1]: it came at 3.5", "sim", 1, refutes=(MEMORY,)))
    assert [finding.times for finding in found.findings] == [2, 1, 1]


def test_every_test_that_the_text_names_is_there() -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "specs" / "verdict.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\btest_\w+\b(?!\.py)", text))
    sources = "".join(path.read_text(encoding="utf-8") for path in root.glob("tests/**/test_*.py"))
    assert named
    assert [name for name in named if f"def {name}(" not in sources] == []


def test_each_sentence_of_the_text_names_its_test() -> None:
    text = (Path(__file__).resolve().parents[2] / "specs" / "verdict.md").read_text(encoding="utf-8")
    parts = re.split(r"^(\d+)\. ", text, flags=re.MULTILINE)
    sentences = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert [int(number) for number in sentences] == list(range(1, len(sentences) + 1))
    ends = {number: said.partition("\n\n##")[0] for number, said in sentences.items()}
    assert [number for number, said in ends.items() if not re.search(r"\btest_\w+(?!\.py)|the same test", said)] == []


def test_the_floors_of_the_text_are_those_that_hold() -> None:
    text = (Path(__file__).resolve().parents[2] / "specs" / "verdict.md").read_text(encoding="utf-8")
    for profile, floor in FLOORS.items():
        assert f"| {profile} | {floor[CLOSE]} | {floor[CRASH]} | {floor[POWER]} |" in text
