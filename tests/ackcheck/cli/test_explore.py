"""`ackcheck explore`: its exit codes, its JSON, and that it says how to mend what it refuses."""

import json
import re
from functools import partial
from pathlib import Path

import attrs
import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from ackcheck.cli import main
from ackcheck.cli.explore import FAULTS
from ackexplore import TooManyStates, explore_rule, explore_rules
from ackexplore import explore as explore_model
from ackexplore.graph.progress import check_progress, fairness_of
from ackmodel import RULES, Config


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explore", *arguments])


def test_nothing_broken_is_zero() -> None:
    ran = run("--power-losses", "1")
    assert ran.exit_code == 0
    assert "288 states, 629 transitions, depth 18" in ran.stdout
    assert "every clause that was at stake holds" in ran.stdout


EVERY_SETTING = {
    "messages": 2,
    "deliveries": 2,
    "logs": 2,
    "limit": 1,
    "refuse_after": 2,
    "degrade_after": 2,
    "level": "disk",
    "commit": "ack",
    "sync_error": "each",
    "failed_page": "reverted",
    "in_place": "lost",
    "renewals": 1,
    "releases": 1,
    "restarts": 1,
    "resets": 1,
}
EVERY_SWITCH = ("confirm_syncs", "dead_letters", "compaction", "careless")


def test_every_setting_of_the_model_is_an_option() -> None:
    arguments = [word for name, value in EVERY_SETTING.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    arguments += [f"--{name.replace('_', '-')}" for name in EVERY_SWITCH]
    ran = run(*arguments, "--without", "limit-inflight", "--clause", "memory-is-bounded", "--json", "-")
    assert ran.exit_code == 1
    config = json.loads(ran.stdout)["config"]
    assert config.items() >= {**EVERY_SETTING, **dict.fromkeys(EVERY_SWITCH, True)}.items()
    known = {item.name for item in attrs.fields(Config)} - {"without", "merge_buffer", "uncommitted"}
    assert known == {*EVERY_SETTING, *EVERY_SWITCH, *FAULTS}
    assert run("--level", "memory", "--merge-buffer").exit_code == 0


def test_alike_messages_stand_for_each_other() -> None:
    ran = run("--messages", "2", "--uncommitted", "--symmetric", "--json", "-")
    told = json.loads(ran.stdout)
    assert ran.exit_code == 0
    assert told["states"] < told["unreduced"] < 2 * told["states"]
    refused = run("--messages", "2", "--resets", "1", "--symmetric")
    assert refused.exit_code == 2
    assert "set uncommitted" in refused.stderr


def test_an_event_that_is_no_fault_counts_as_one() -> None:
    assert "no fault is in the budget" not in run("--restarts", "1").stderr


def test_no_faults_is_said() -> None:
    assert "no fault is in the budget" in run().stderr
    assert "no fault is in the budget" not in run("--power-losses", "1").stderr


def test_broken_is_one_and_the_counterexample_is_shown() -> None:
    ran = run("--sync-failures", "1", "--without", "rewrite-after-failure", "--clause", "flush-is-real")
    assert ran.exit_code == 1
    assert "flushed / phantom" in ran.stdout
    assert "broken: flush-is-real, flush-rewrites" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--without", "rewrite-after-falure"], "did you mean 'rewrite-after-failure'"),
        (["--messages", "0"], "messages must be from 1 to 64, not 0"),
        (["--power-losses", "-1"], "power_losses must be from 0 to 64, not -1"),
        (["--clause", "no-limb"], "did you mean 'no-limbo'"),
        (["--level", "tape"], "page-cache"),
        (["--max-states", "0"], "max-states"),
        (["--merge-buffer"], "a merge buffer answers from memory: set level to 'memory'"),
        (["--logs", "2"], "2 logs for 1 messages"),
        (["--refuse-after", "1", "--degrade-after", "2"], "refuse_after (1) comes before degrade_after (2)"),
        (["--sync-error", "never"], "'once', 'each', 'late'"),
        (["--memory", "much"], "'much' is no amount of memory; write 500M or 8G"),
        (["--memory", "0"], "write 500M or 8G"),
        (["--messages", "3", "--engine", "table", "--memory", "100K"], "--memory"),
        (["--messages", "2", "--max-states", "100"], "more than 100 states"),
        (
            ["--messages", "2", "--max-states", "100", "--dot", "it.dot"],
            "need the whole graph: allow more with --max-st",
        ),
        (["--walk", "it.html", "--clause", "any"], "the page needs every state, and --clause ends before"),
        (["--json", "no/such/folder/out.json"], "no/such/folder"),
    ],
)
def test_bad_input_is_two_and_says_how_to_mend_it(arguments: list[str], message: str) -> None:
    ran = run(*arguments)
    assert ran.exit_code == 2
    assert message in ran.stderr
    assert ran.stdout == ""


def test_broken_before_the_limit_is_still_broken() -> None:
    ran = run("--messages", "2", "--without", "commit-after-flush", "--max-states", "500")
    assert ran.exit_code == 1
    assert "commit-is-safe" in ran.stdout


def test_a_page_to_walk_in_is_of_every_state_or_is_not_written(tmp_path: Path) -> None:
    page = tmp_path / "walk.html"
    ran = run("--messages", "2", "--without", "commit-after-flush", "--max-states", "500", "--walk", str(page))
    assert ran.exit_code == 2
    assert "no page to walk in: the search ended early" in ran.stderr
    assert "commit-is-safe" in ran.stdout  # what was found is told all the same
    assert not page.exists()


def test_a_model_too_large_for_rules_is_told_only_what_helps_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(_: Config) -> None:
        raise TooManyStates(200_000, explore_model(Config()))

    monkeypatch.setattr("ackcheck.cli.explore.explore_rules", too_large)
    ran = run("--rules", "--messages", "2")
    assert ran.exit_code == 2
    assert "more than 200,000 states at depth 12: --rules needs a smaller model" in ran.stderr
    assert "--engine" not in ran.stderr  # it says nothing beside --rules


def test_json_on_standard_output_is_alone_there() -> None:
    ran = run("--process-crashes", "1", "--json", "-")
    told = json.loads(ran.stdout)
    assert (told["states"], told["edges"], told["depth"], told["violations"]) == (482, 999, 19, {})
    assert told["seconds"] > 0
    assert told["complete"] is True
    assert told["config"]["process_crashes"] == 1
    assert told["hits"]["power_loss"] == 0


def test_json_in_a_file_tells_of_the_violation(tmp_path: Path) -> None:
    where = tmp_path / "out.json"
    ran = run("--without", "commit-after-flush", "--json", str(where))
    told = json.loads(where.read_text(encoding="utf-8"))
    assert ran.exit_code == 1
    assert "broken clause" in ran.stdout
    assert told["violations"]["commit-is-safe"] > 0
    assert told["counterexamples"]["commit-is-safe"]["length"] == 3


@pytest.mark.parametrize("engine", ["graph", "table"])
def test_the_engine_may_be_chosen(engine: str) -> None:
    ran = run("--messages", "2", "--engine", engine, "--json", "-", *(["--memory", "1G"] if engine == "table" else []))
    told = json.loads(ran.stdout)
    assert (told["engine"], told["states"], told["edges"]) == (engine, 1896, 5840)


def test_rules_are_all_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """That each is, the tests of the explorer show rule by rule: here a few are enough."""
    few = [RULES["commit-after-flush"], RULES["failure-ends-operation"], RULES["answer-after-write"]]
    monkeypatch.setattr("ackcheck.cli.explore.explore_rules", partial(explore_rules, rules=few))
    monkeypatch.setattr("ackcheck.cli.explore.unbreakable", lambda _: ())
    ran = run("--rules")
    assert ran.exit_code == 0
    assert "all 3 rules are needed" in ran.stdout
    for rule in few:
        assert rule.name in ran.stdout


def test_a_rule_that_is_not_needed_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first = explore_rule(RULES["commit-after-flush"])
    unneeded = evolve(first, missing=first.rule.breaks, counterexamples={})
    monkeypatch.setattr("ackcheck.cli.explore.explore_rules", lambda _: (unneeded,))
    ran = run("--rules", "--json", "-")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["rules"][0]["needed"] is False
    assert "NOT BROKEN" in run("--rules").stdout


def test_a_checkpoint_may_be_resumed(tmp_path: Path) -> None:
    where = ["--process-crashes", "1", "--checkpoint", str(tmp_path / "here"), "--json", "-"]
    assert json.loads(run(*where).stdout)["states"] == 482
    assert "resume it (--resume)" in run(*where).stderr
    assert json.loads(run(*where, "--resume").stdout)["states"] == 482
    assert "is of another config" in run(*where, "--resume", "--messages", "2").stderr
    assert run(*where, "--resume", "--messages", "2").exit_code == 2
    assert "--resume needs --checkpoint" in run("--resume").stderr
    assert "use --engine table" in run(*where, "--engine", "graph").stderr


@pytest.mark.no_cover
def test_liveness_is_judged_on_request() -> None:
    ran = run("--sync-failures", "1", "--liveness")
    assert ran.exit_code == 0
    assert "in the end: all 5 properties hold" in ran.stdout
    told = json.loads(run("--liveness", "--json", "-").stdout)
    assert {finding["holds"] for finding in told["liveness"]} == {True}
    assert {
        finding["holds"]
        for finding in json.loads(run("--liveness", "--engine", "table", "--json", "-").stdout)["liveness"]
    } == {True}
    assert "leave --checkpoint out" in run("--liveness", "--checkpoint", "here").stderr
    assert "need the whole graph" in run("--walk", "page.html", "--engine", "table").stderr


def test_what_is_not_done_in_parts_is_refused() -> None:
    assert "leave one of them out" in run("--cluster", "tcp://127.0.0.1:1", "--local", "2").stderr
    assert "--liveness needs all states in one place" in run("--local", "2", "--liveness").stderr
    assert "leave --engine graph out" in run("--local", "2", "--engine", "graph").stderr


def test_a_lasso_is_shown_and_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = [group for group in fairness_of(Config()) if group.name != "begin_sync"]
    monkeypatch.setattr("ackexplore.ending.check_progress", lambda result, **_: check_progress(result, fairness=lazy))
    ran = run("--liveness")
    assert ran.exit_code == 1
    assert "never in the end: flush-when-idle of message 0" in ran.stdout
    assert "nothing happens any more" in ran.stdout


def test_what_never_comes_to_pass_is_broken_in_every_report_and_export(tmp_path: Path) -> None:
    places = {name: tmp_path / f"out.{name}" for name in ("itf", "html", "junit", "ctrf", "markdown")}
    ran = run(
        *("--sync-failures", "1", "--without", "retry-after-failure", "--liveness"),
        *(word for name, where in places.items() for word in (f"--{name}", str(where))),
    )
    assert ran.exit_code == 1
    assert "nothing is broken" not in ran.stderr
    itf = json.loads(places["itf"].read_text())
    assert itf["loop"] == len(itf["states"]) - 1 == 4  # four steps, and then nothing any more
    page = places["html"].read_text()
    assert "flush-when-idle, in 4 steps" in page
    assert "nothing happens any more" in page
    assert 'failures="4"' in places["junit"].read_text()
    told = json.loads(places["ctrf"].read_text())["results"]["tests"]
    failed = {each["name"]: each["message"] for each in told if each["status"] == "failed"}
    assert failed["model.flush-degrades"] == "never in the end: flush-degrades"
    assert len(failed) == 4
    assert "4 clauses broken" in places["markdown"].read_text()


def test_exports_are_written(tmp_path: Path) -> None:
    broken = ["--without", "commit-after-flush", "--clause", "commit-is-safe"]
    places = {name: tmp_path / f"out.{name}" for name in ("graphml", "dot", "itf", "html")}
    for name, where in places.items():
        assert run(*broken, f"--{name}", str(where)).exit_code == 1
    assert "<graphml" in places["graphml"].read_text()
    assert places["dot"].read_text().startswith("digraph")
    assert len(json.loads(places["itf"].read_text())["states"]) == 4
    assert "commit-is-safe, in 3 steps" in places["html"].read_text()


def test_without_a_counterexample_none_is_written(tmp_path: Path) -> None:
    ran = run("--html", str(tmp_path / "page.html"))
    assert ran.exit_code == 0
    assert "there is no counterexample to write" in ran.stderr
    assert not (tmp_path / "page.html").exists()


def test_the_result_comes_first_and_then_in_a_few_lines_what_was_not_looked_at() -> None:
    for arguments in (("--power-losses", "1"), ("--sync-failures", "1", "--without", "rewrite-after-failure")):
        lines = run(*arguments).stdout.splitlines()
        assert re.match(r"\d+ states, ", lines[0])
        assert re.search("holds in every state|broken clause", lines[1])
        [budget] = [number for number, line in enumerate(lines) if line.startswith("not in the budget: ")]
        assert len(lines) - budget <= 5
        told = " ".join(lines[budget:])
        assert told.count("sync timeout") == told.count("process crash") == 1


def test_no_step_is_named_after_the_rewrite_that_a_switched_off_rule_leaves_out() -> None:
    ran = run("--sync-failures", "1", "--without", "rewrite-after-failure", "--json", "-")
    told = json.loads(ran.stdout)["counterexamples"]["flush-is-real"]["steps"]
    assert [step["action"] for step in told][3:5] == ["sync_fails", "retry_checkpoint"]
    assert "rewrite" not in json.dumps(told)
