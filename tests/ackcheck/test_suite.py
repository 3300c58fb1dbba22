"""The suite as a whole: what a plan runs, what it cannot judge, and when there is no verdict."""

from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from attrs import evolve

from ackcheck.findings import Finding, GradeReport
from ackcheck.grade import PROFILES
from ackcheck.grades import disk, process, stalled
from ackcheck.needs import JUDGED_BY
from ackcheck.promises import promises_of
from ackcheck.sim.grade import NO_STEPS
from ackcheck.sim.simulation import STEPS
from ackcheck.subject import Subject
from ackcheck.suite import LEVELS, Plan, command_again, efforts, grades, never_ran, run_suite
from ackcheck.verdict import ModeReport, Verdict
from acklab.fuzz import grade as fuzzing
from acklab.fuzz.missing import AtherisMissing
from acklab.reference.simulated import LOGS, SEVERAL
from acklab.soak.grade import NO_THREADS
from ackmodel import Clause, CommitPolicy, Level


def verdict_of(*reports: GradeReport) -> Verdict:
    return Verdict("it", (ModeReport((Level.PAGE_CACHE,), reports),), chosen=True)


def ran(*missing: str) -> GradeReport:
    return GradeReport("sim", 1, cases=9, ran=Counter(dict.fromkeys(STEPS - set(missing), 3)))


def test_a_fault_that_never_ran_is_named() -> None:
    assert never_ran(verdict_of(ran())) == []
    assert never_ran(verdict_of(ran("fail_sync", "lose_power"))) == ["fail_sync", "lose_power"]


def test_what_one_level_ran_counts_for_the_other() -> None:
    assert never_ran(verdict_of(ran("fail_sync"), ran("lose_power"))) == []


def test_a_run_that_ended_early_at_a_finding_owes_nothing() -> None:
    report = ran("fail_sync")
    report.found(Finding(Clause.NO_RETURN, "it came back", "sim", 1, refutes=(Level.PAGE_CACHE,)))
    assert never_ran(verdict_of(report)) == []


def test_a_clause_is_broken_kept_or_not_judged() -> None:
    report = GradeReport("sim", 1, cases=9, checked=Counter({Clause.NO_RETURN: 4, Clause.NO_LIMBO: 2}))
    report.found(Finding(Clause.NO_RETURN, "it came back", "sim", 1, refutes=(Level.PAGE_CACHE,)))
    clauses = verdict_of(report).clauses()
    assert [clauses[clause].status for clause in (Clause.NO_RETURN, Clause.NO_LIMBO, Clause.FLUSH_IS_REAL)] == [
        "broken",
        "kept",
        "not-judged",
    ]
    assert verdict_of(report).level is None


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (None, ""),
        ("my store.py:factory", " 'my store.py:factory'"),
        (["./store", "--data", "{dir}"], " -- ./store --data '{dir}'"),
    ],
)
def test_a_case_can_be_asked_for_again(target: str | list[str] | None, words: str) -> None:
    plan = Plan((Level.MEMORY,), ("power",), {"sim": 1, "process": 1, "power": 1}, seed=1)
    finding = Finding(Clause.NO_RETURN, "it came back", "power", 21, case=2)
    command = "ackcheck run --level memory --faults power --seed 21 --case 2" + words
    assert command_again(Subject(target), plan, (Level.MEMORY,), finding) == command
    on_xfs = evolve(plan, filesystem="xfs")
    assert command_again(Subject(), on_xfs, (Level.MEMORY,), finding).endswith("--case 2 --filesystem xfs")


@pytest.mark.parametrize(("module", "judging"), [(process, "run_process_grade"), (disk, "run_disk_grade")])
def test_a_grade_with_a_disk_is_told_which_file_system_it_carries(
    module: ModuleType, judging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = f"{Path(__file__).parent / 'grades' / 'toys.py'}:Toy"
    told: list[str | None] = []

    def judged(*_: object, filesystem: str | None = None, **__: object) -> GradeReport:
        told.append(filesystem)
        return GradeReport("any", 1)

    monkeypatch.setattr(module, judging, judged)
    for name in ("xfs", None):
        grade = module.__name__.rpartition(".")[2]
        run_suite(Subject(toy), Plan((Level.DISK,), (grade,), {grade: 1}, seed=1, filesystem=name))
    assert told[0] == "xfs"
    assert told[1] in (None, stalled.FILESYSTEM)


def test_all_that_a_case_depends_on_is_in_the_one_line_that_repeats_it() -> None:
    promises = promises_of({"barrier": "none", "invisible": [0.5, 30]})
    plan = Plan(LEVELS, ("power",), {}, seed=1, reply_timeout=2.5, promises=promises, disk_mib=256)
    finding = Finding(Clause.NO_RETURN, "it came back", "power", 21, case=2, round=3, alone=True)
    words = command_again(Subject(["./adapter"], ["./broker", "{dir}"]), plan, LEVELS, finding)
    assert words == (
        "ackcheck run --faults power --seed 21 --case 2 --round 3 --disk-mib 256 --promise invisible=0.5,30 "
        "--promise barrier=none --reply-timeout 2.5 --server './broker '\"'\"'{dir}'\"'\"'' -- ./adapter"
    )


def test_a_round_that_breaks_by_itself_is_told_instead_of_the_whole_case() -> None:
    toy = f"{Path(__file__).parent / 'grades' / 'toys.py'}:WritesNothing"
    effort = {"process": 6}
    whole, alone = (
        run_suite(Subject(toy), Plan((Level.DISK,), ("process",), effort, seed=3, stop_at_first=True, shorten=shorten))
        for shorten in (False, True)
    )
    [long], [short] = whole.findings, alone.findings
    assert (long.round, long.alone, short.alone) == (1, False, True)
    assert "--round 1" in short.again
    assert "--round" not in long.again
    assert short.clause is long.clause


def test_of_each_clause_it_is_said_what_would_judge_it() -> None:
    assert set(JUDGED_BY) == set(Clause)
    [told] = [told for told in verdict_of().clauses().values() if told.clause is Clause.QUIESCENCE_IS_ZERO]
    assert told.why == "never at stake; what would judge it: showing `outstanding` in `stats`"


def test_where_a_grade_ran_that_could_have_judged_it_that_is_said_too() -> None:
    power, other = GradeReport("power", 1, cases=1), GradeReport("disk", 1, not_judged="needs root")
    told = verdict_of(power, other).clauses()
    assert told[Clause.FLUSH_DEGRADES].why.startswith("never at stake; though power ran; what would judge it: a grade")
    assert told[Clause.REPLY_AFTER_STAGE].why.startswith("never at stake; what would judge it: the simulated grade")


def test_a_finding_on_files_says_how_to_repeat_its_case() -> None:
    plan = Plan((Level.PAGE_CACHE,), ("process",), efforts("standard"), seed=4, case=1, stop_at_first=True)
    toy = f"{Path(__file__).parent / 'grades' / 'toys.py'}:WritesNothing"
    [report] = run_suite(Subject(toy), plan).reports
    assert report.cases == 1
    assert report.finding is not None
    assert report.finding.again.endswith(f"--profile standard --seed 4 --case 1 {toy}")


def test_a_target_that_does_its_own_io_is_not_simulated() -> None:
    plan = Plan((Level.PAGE_CACHE,), ("sim",), {"sim": 1}, seed=1)
    [report] = run_suite(Subject("acklab.reference.files:async_store"), plan).reports
    assert (report.cases, report.not_judged) == (0, NO_STEPS)


@pytest.mark.no_cover
def test_every_clause_is_put_to_the_test_by_the_simulated_grade() -> None:
    plan = Plan(LEVELS, ("sim",), {"sim": 14}, seed=6)
    verdict = run_suite(Subject(), plan)
    assert [c.clause for c in verdict.clauses().values() if c.status != "kept"] == []
    assert never_ran(verdict) == []


def test_the_grades_are_ours_and_those_that_are_found() -> None:
    assert list(grades()) == ["sim", "process", "power", "disk", "damage", "fuzz", "soak"]
    assert all(set(grade.effort) == set(PROFILES) and name == grade.name for name, grade in grades().items())


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_tries_every_grade(profile: str) -> None:
    assert min(effort for grade, effort in efforts(profile).items() if grade != "fuzz") > 0


def test_what_a_target_does_not_offer_is_listed_and_owed_by_no_run() -> None:
    bare = ran("renew", "reset")
    bare.lacks = {"renew", "reset"}
    verdict = verdict_of(bare)
    assert verdict.lacks == ("renew", "reset")
    assert never_ran(verdict) == []
    assert {"needs": "reset", "what": "resets of the offset", "clauses": ["commit-is-monotone"]} in verdict.as_json()[
        "not_judged"
    ]


def test_what_one_grade_judged_is_judged() -> None:
    bare = GradeReport("process", 1, cases=1, lacks={"dead"})
    assert verdict_of(ran(), bare).lacks == ()
    assert verdict_of(bare).lacks == ("dead",)
    assert verdict_of(GradeReport("power", 1, not_judged="needs root")).lacks == ()


def test_operations_of_all_campaigns_are_counted_and_told() -> None:
    plan = Plan((Level.PAGE_CACHE,), ("sim",), {"sim": 2}, seed=1)
    verdict = run_suite(Subject(), plan)
    [report] = verdict.reports
    assert report.operations > report.cases
    [told] = verdict.as_json()["runs"]
    assert told["operations"] == report.operations


@pytest.mark.no_cover
def test_deep_is_a_million_simulated_operations_a_level() -> None:
    plan = Plan((Level.PAGE_CACHE,), ("sim",), {"sim": 6}, seed=1)
    [report] = run_suite(Subject(), plan).reports
    assert report.operations / report.cases * (efforts("deep")["sim"] * len(CommitPolicy)) >= 1_000_000


@pytest.mark.parametrize("cases", [1, 3, 4, 45, 700])
def test_some_runs_are_of_a_store_with_several_logs(cases: int) -> None:
    setups = Subject().setups((Level.DISK,), cases)
    assert sum(count for _, count in setups) == cases * len(CommitPolicy)
    assert {(setup.commit, setup.logs) for setup, count in setups if count} == {
        (commit, logs) for commit in CommitPolicy for logs in ((1, LOGS[commit]) if cases >= SEVERAL else (1,))
    }
    assert all(setup.levels == (Level.DISK,) for setup, _ in setups)


def test_a_target_of_somebody_else_is_not_soaked() -> None:
    plan = Plan((Level.PAGE_CACHE,), ("soak",), {"soak": 1}, seed=1)
    [report] = run_suite(Subject("acklab.reference.files:async_store"), plan).reports
    assert (report.cases, report.not_judged) == (0, NO_THREADS)


def test_a_soak_without_time_judges_nothing() -> None:
    plan = Plan((Level.PAGE_CACHE,), ("soak",), {}, seed=1)
    [report] = run_suite(Subject(), plan).reports
    assert (report.cases, report.not_judged) == (0, "no time was given to it")


def test_the_reference_store_is_soaked() -> None:
    plan = Plan((Level.DISK,), ("soak",), {"soak": 2}, seed=1)
    watched = []
    [report] = run_suite(Subject(), plan, lambda *told: watched.append(told)).reports
    assert (report.finding, report.cases, report.lacks) == (None, 1, {"leave"})
    assert report.operations > 0
    assert {told[:2] for told in watched} == {("disk", "soak")}


FUZZED = Plan(LEVELS, ("fuzz",), {"fuzz": 2}, seed=1)


def test_recovery_is_fuzzed_once_and_what_broke_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "run_atheris", lambda *, seed, seconds: (Counter(recovered=5), "input 01 was misread"))
    [report] = run_suite(Subject(), FUZZED).reports
    assert (report.cases, report.ran) == (5, Counter(recovered=5))
    assert report.finding is not None
    assert report.finding.why == "input 01 was misread"
    monkeypatch.setattr(fuzzing, "run_atheris", lambda *, seed, seconds: (Counter(recovered=5), ""))
    assert not run_suite(Subject(), FUZZED).findings


def test_without_atheris_nothing_is_fuzzed_and_the_mend_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*, seed: int, seconds: int) -> None:
        raise AtherisMissing

    monkeypatch.setattr(fuzzing, "run_atheris", missing)
    [report] = run_suite(Subject(), FUZZED).reports
    assert report.cases == 0
    assert "pip install 'ackcheck[fuzz]'" in report.not_judged


def test_what_is_not_asked_for_or_not_ours_is_not_fuzzed() -> None:
    assert run_suite(Subject(), Plan(LEVELS, ("fuzz",), {}, seed=1)).reports == ()
    [report] = run_suite(Subject("acklab.reference.files:async_store"), FUZZED).reports
    assert report.not_judged == fuzzing.NO_FORMAT
