"""The specification holds together: every clause has a text, a check, something that breaks it, and a test."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ackcheck import spec as specification
from ackcheck import traceability as tying
from ackcheck.cli import main
from ackcheck.keeping import functions_keeping
from ackcheck.spec import (
    MalformedClauses,
    MissingClauses,
    clause_texts,
    clauses_folder,
)
from ackcheck.traceability import all_checks, clause_of, monitor_names, naming_tests, ties_of
from ackmodel import RULES, Clause, Rule, UnknownClause, clause_named
from ackmodel.spec.invariants import STATE, STEP

ROOT = Path(__file__).resolve().parents[2]
TEXT = "## {}\n\nA promise.\n\n**Why.** A bug.\n\n**How it is checked.** Somehow.\n"


# --- the texts ------------------------------------------------------------------------------------------------------


def test_every_clause_has_a_text_and_every_text_a_clause() -> None:
    texts = clause_texts(ROOT / "specs" / "clauses")
    assert list(texts) == list(Clause)
    assert all(text.clause is clause for clause, text in texts.items())


def test_the_overview_names_every_clause_beside_a_link_to_its_file() -> None:
    overview = (ROOT / "specs" / "README.md").read_text(encoding="utf-8")
    for text in clause_texts().values():
        row = next(line for line in overview.splitlines() if f"`{text.clause.value}`" in line)
        assert f"(clauses/{text.group}.md)" in row


def written(folder: Path, *names: str, text: str = TEXT) -> Path:
    content = "# Group\n\nAn introduction.\n\n" + "\n".join(text.format(name) for name in names)
    (folder / "all.md").write_text(content, encoding="utf-8")
    return folder


def test_what_stands_in_a_file_is_what_is_read(tmp_path: Path) -> None:
    text = clause_texts(written(tmp_path, *Clause))[Clause.NO_LIMBO]
    assert (text.group, text.title, text.promise, text.why, text.how) == (
        "all",
        "Group",
        "A promise.",
        "A bug.",
        "Somehow.",
    )
    assert text.markdown == TEXT.format("no-limbo")


def test_a_clause_without_a_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedClauses, match="no text for no-limbo: write one"):
        clause_texts(written(tmp_path, *(clause for clause in Clause if clause is not Clause.NO_LIMBO)))


def test_a_text_without_a_clause_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(MalformedClauses, match=r"all\.md:5: no clause 'no-limb'; did you mean 'no-limbo'"):
        clause_texts(written(tmp_path, "no-limb"))


def test_a_second_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedClauses, match=r"all\.md:13: no-limbo has a text already"):
        clause_texts(written(tmp_path, "no-limbo", "no-limbo"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("**Why.**", "Why."), r"no-limbo lacks \*\*Why\.\*\*"),
        (TEXT.replace("**How it is checked.** Somehow.\n", ""), r"no-limbo lacks \*\*How it is checked\.\*\*"),
        (TEXT.replace("A promise.", ""), "no-limbo lacks a promise"),
        (TEXT.replace("Somehow.", ""), r"no-limbo lacks \*\*How it is checked\.\*\*"),
        (TEXT.replace("A promise.", "One. Two."), "the promise of no-limbo has to be one sentence"),
        (TEXT.replace("A promise.", "No end"), "the promise of no-limbo has to be one sentence"),
    ],
)
def test_a_text_that_lacks_a_part_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedClauses, match=message):
        clause_texts(written(tmp_path, "no-limbo", text=text))


def test_an_unknown_clause_brings_the_nearest_or_all() -> None:
    with pytest.raises(UnknownClause, match="did you mean 'commit-is-safe'"):
        clause_named("commit-is-save")
    with pytest.raises(UnknownClause, match="the clauses are: reply-after-stage, "):
        clause_named("zzz")


def test_the_folder_is_found_beside_the_package_first_and_in_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "conformance" / "ackcheck"
    monkeypatch.setattr(specification, "__file__", str(package / "spec.py"))
    with pytest.raises(MissingClauses, match="install the package from its wheel"):
        clauses_folder()
    (tmp_path / "specs" / "clauses").mkdir(parents=True)
    assert clauses_folder() == tmp_path / "specs" / "clauses"
    (package / "clauses").mkdir(parents=True)
    assert clauses_folder() == package / "clauses"


# --- what ties to them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clause", Clause)
def test_every_clause_has_a_check(clause: Clause) -> None:
    assert ties_of(clause).checks


@pytest.mark.parametrize("clause", Clause)
def test_every_clause_was_seen_to_be_broken_by_a_running_store(clause: Clause) -> None:
    assert ties_of(clause).seen


@pytest.mark.parametrize("clause", Clause)
def test_every_clause_is_kept_by_something_in_the_reference_store(clause: Clause) -> None:
    assert ties_of(clause).store


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_every_rule_is_asked_for_by_a_function_of_the_model(rule: Rule) -> None:
    assert functions_keeping(rule)


@pytest.mark.parametrize("clause", Clause)
def test_every_clause_is_named_in_a_test(clause: Clause) -> None:
    assert ties_of(clause).tests


def test_every_invariant_is_named_as_its_clause() -> None:
    assert [(clause, clause_of(holds.__name__)) for clause, holds in [*STATE.items(), *STEP.items()]] == [
        (clause, clause) for clause in [*STATE, *STEP]
    ]


def test_every_monitor_is_named_as_a_clause_and_called_by_the_oracle() -> None:
    named = [clause_of(name) for name in monitor_names()]
    assert None not in named
    assert {clause for clause, check in all_checks() if check.kind == "monitor"} == set(named)


def test_checks_of_every_kind_are_found_where_they_are() -> None:
    checks = {(clause, check.kind, check.where) for clause, check in all_checks()}
    assert checks >= {
        (Clause.FLUSH_IS_REAL, "state invariant", "ackmodel.spec.invariants:flush_is_real"),
        (Clause.NO_RETURN, "step invariant", "ackmodel.spec.invariants:no_return"),
        (Clause.COMMIT_PROGRESSES, "leads-to property", "ackmodel.spec.liveness:next_to_pass"),
        (Clause.DEADLINE_IS_EXACT, "contract", "ackmodel.observe.blame:_blame_return"),
        (Clause.CLOSE_DRAINS, "monitor", "ackmodel.observe.monitors:close_drains"),
        (Clause.RECEIPT_IS_EXACT, "oracle", "ackmodel.observe.oracle:Oracle.popped"),
        (Clause.CLOSE_DRAINS, "harness", "ackcheck.sim.survey:Surveyor._close"),
    }
    assert not {where for _, _, where in checks if where.endswith("tested_by")}


SOURCE = """
class Oracle:
    def saw(self):
        self._check(Clause.NO_LIMBO, monitors.no_limbo())
        raise Broken(Clause.NO_RETURN)

    def at_stake(self):
        return Clause.FLUSH_IS_REAL

    def other(self):
        return Clause.NO_SUCH_CLAUSE, Other.NO_LIMBO

def free():
    raise Broken(Clause.NO_LIMBO)
"""


def test_what_a_source_blames_is_read_from_it(tmp_path: Path) -> None:
    path = tmp_path / "oracle.py"
    path.write_text(SOURCE, encoding="utf-8")
    found = [(clause, check.where) for clause, check in tying._blamed("oracle", path, "m")]
    assert found == [(Clause.NO_RETURN, "m:Oracle.saw"), (Clause.NO_LIMBO, "m:free")]


TESTS = """
TABLE: list[object] = [("x", Clause.NO_LIMBO)]
UNUSED = [Clause.NO_RETURN]

@pytest.mark.parametrize("row", TABLE)
def test_by_a_table(row): ...

def test_by_the_id(): assert run("--clause", "flush-is-real")

def test_of_something_else(): assert "no-limbo is not its id alone"

def helper(): return Clause.CLOSE_DRAINS
"""


def test_tests_name_clauses_themselves_or_by_a_table(tmp_path: Path) -> None:
    (tmp_path / "tests" / "a").mkdir(parents=True)
    for name in ("test_x.py", "test_spec.py"):
        (tmp_path / "tests" / "a" / name).write_text(TESTS, encoding="utf-8")
    assert naming_tests(tmp_path) == {
        Clause.NO_LIMBO: ("tests/a/test_x.py::test_by_a_table",),
        Clause.FLUSH_IS_REAL: ("tests/a/test_x.py::test_by_the_id",),
    }


# --- the command ----------------------------------------------------------------------------------------------------


def run(*arguments: str, columns: int = 160) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(main, ["spec", *arguments])


def test_the_list_has_every_clause_under_its_group() -> None:
    ran = run()
    assert ran.exit_code == 0
    assert [clause.value for clause in Clause if clause.value not in ran.stdout] == []
    titles = [text.title for text in clause_texts().values()]
    assert all(ran.stdout.count(f"\n{title}") + ran.stdout.startswith(title) == 1 for title in set(titles))


@pytest.mark.parametrize(("columns", "longest"), [(200, 120), (80, 180)])
def test_the_list_uses_the_width_there_is(columns: int, longest: int) -> None:
    lines = run(columns=columns).stdout.splitlines()
    assert len(lines) <= longest
    assert max(map(len, lines)) <= columns
    borders = {line for line in lines if line.startswith("┏")}
    assert len(borders) == 1, "the columns of all groups begin at the same place"


def test_one_clause_shows_its_text_and_all_that_ties_to_it() -> None:
    ran = run("flush-is-real")
    assert ran.exit_code == 0
    for part in (
        "The flushed watermark covers only bytes",
        "How it is checked.",
        "ackmodel.spec.invariants:flush_is_real",
        "failed-sync-is-not-flushed",
        "flushed-watermark-advances-on-fsync-error",
        "tests/ackmodel/spec/test_invariants.py::test_state_invariants_speak_and_are_silent",
    ):
        assert part in ran.stdout
    assert "commit-in-order" not in ran.stdout


def test_an_unknown_clause_is_a_usage_error() -> None:
    ran = run("flush-is-reel")
    assert ran.exit_code == 2
    assert "did you mean 'flush-is-real'" in ran.stderr
    assert ran.stdout == ""


def test_a_checkout_without_clauses_is_an_environment_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specification, "__file__", "/nowhere/ackcheck/spec.py")
    ran = run()
    assert ran.exit_code == 3
    assert "no clause files in" in ran.stderr


def test_json_of_all_and_of_one_are_the_same() -> None:
    every = json.loads(run("--json", "-").stdout)["clauses"]
    assert [told["id"] for told in every] == [clause.value for clause in Clause]
    one = json.loads(run("deadline-is-exact", "--json", "-").stdout)
    assert one == every[list(Clause).index(Clause.DEADLINE_IS_EXACT)]
    assert set(one) == {
        *("id", "group", "promise", "why", "how", "checks", "rules", "bugs_seen", "bugs_that_may", "store", "tests")
    }
    assert "visibility-ignored-on-one-code-path" in {bug["name"] for bug in one["bugs_seen"]}
    assert {"kind": "contract", "where": "ackmodel.observe.blame:_blame_return"} in one["checks"]


def test_json_in_a_file_comes_beside_the_text(tmp_path: Path) -> None:
    ran = run("no-limbo", "--json", str(tmp_path / "out.json"))
    assert "no-limbo" in ran.stdout
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["id"] == "no-limbo"
