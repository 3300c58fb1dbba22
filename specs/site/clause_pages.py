"""A page a clause, and the appendix that counts what each has.

A page has the promise, why, how it is checked, the model's functions, the counterexample, the rules, bugs and tests.
"""

import ast
import functools
import importlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ackcheck.brokers.expectation import UNPROMISED
from ackcheck.keeping import functions_keeping
from ackcheck.spec import ClauseText
from ackcheck.traceability import Ties, ties_of
from ackmodel import RULES
from counterexamples import Counterexample

TESTS = Path(__file__).resolve().parents[2] / "tests"
RUNS = sorted(Path(__file__).resolve().parents[1].glob("brokers/runs/*.jsonl"))


def recorded_runs() -> list[dict[str, Any]]:
    """Return the runs of real brokers that the table of them is made of, as `ackcheck broker --record` wrote them."""
    return [json.loads(line) for path in RUNS for line in path.read_text(encoding="utf-8").splitlines()]


def clause_page(text: ClauseText, found: Counterexample | None, runs: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the page of one clause; `runs` are those of real brokers."""
    ties = ties_of(text.clause)
    parts = [
        f"# {text.clause.value}",
        f'!!! quote "The clause"\n    A store **MUST** keep this: {text.promise}',
        f"## Why\n\n{text.why}",
        f"## How it is checked\n\n{text.how}\n\n{_levels()}",
        _functions(ties),
        _counterexample(found) if found else "",
        _rules(ties),
        _bugs(ties),
        _brokers(text.clause.value, runs),
        _listed("Tests that name it", [f"`{test}`" for test in ties.tests]),
        _listed("What keeps it in the reference store", [f"`{function}`" for function in ties.store]),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _levels() -> str:
    may = "Below its level, and where it states a weaker promise, a store MAY do otherwise"
    return f"{may}: see [the verdict](../verdict.md#promises)."


def _functions(ties: Ties) -> str:
    """Return the source of what judges the clause, as it stands in the model."""
    blocks = []
    for check in ties.checks:
        module, _, name = check.where.partition(":")
        if module.startswith("ackmodel"):
            blocks.append(f"`{check.where}` ({check.kind}):\n\n```python\n{source_of(module, name)}\n```")
    others = [f"- `{check.where}` ({check.kind})" for check in ties.checks if not check.where.startswith("ackmodel")]
    return "\n\n".join(["## What judges it", *blocks, "\n".join(others)]).strip()


def source_of(module: str, name: str) -> str:
    """Return the source of a function or method, read from its file."""
    text = inspect.getsource(importlib.import_module(module))
    wanted = name.split(".")
    body: list[ast.stmt] = ast.parse(text).body
    for part in wanted[:-1]:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == part)
    node = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == wanted[-1])
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return inspect.cleandoc("\n" + "\n".join(text.splitlines()[first - 1 : node.end_lineno]))


def _counterexample(found: Counterexample) -> str:
    steps = "\n".join(f"{step.number}. `{step.action}`{_whose(step.actor)}" for step in found.trace.steps)
    again = (
        f"\n\nand from there, again and again: {', '.join(f'`{action}`' for action in found.again)}."
        if found.again
        else ""
    )
    without = f"Without the rule `{found.rule.name}` ({found.rule.says}), in {len(found.trace)} steps:"
    head = f"## The shortest way to break it\n\n{without}"
    table = f"\n\n<div class=lanes markdown=0>{found.html}</div>" if found.trace.steps else ""
    return f"{head}\n\n{steps}{again}{table}"


def _whose(actor: int | None) -> str:
    return "" if actor is None else f" (message {actor})"


def _rules(ties: Ties) -> str:
    rows = [
        f"| `{rule.name}` | {_cell(rule.says)} | {'<br>'.join(f'`{each}`' for each in functions_keeping(rule))} |"
        for rule in ties.rules
    ]
    head = ["## The rules it rests on", "", "It breaks as soon as one of these is switched off.", ""]
    return "\n".join([*head, "| rule | what it says | asked in |", "|---|---|---|", *rows]) if rows else ""


def _bugs(ties: Ties) -> str:
    seen = [f"| `{bug.name}` | {_cell(bug.mechanism)} | {_cell(bug.source)} | first |" for bug in ties.seen]
    may = [f"| `{bug.name}` | {_cell(bug.mechanism)} | {_cell(bug.source)} | may |" for bug in ties.may]
    head = "## Real bugs that break it\n\n*First*: a pinned run shows that they break it first. *May*: they may.\n\n"
    table = "\n".join(["| bug | what it does | who had it | |", "|---|---|---|---|", *seen, *may])
    return head + table if seen or may else ""


def _brokers(clause: str, runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the real brokers that broke a promise of this clause, with the command that shows it."""
    rows = {}
    for run in runs:
        for fault, told in run["faults"].items():
            for outcome in told.get("clauses", {}).get(clause, ()):
                if not outcome.endswith(UNPROMISED):
                    broker = f"[{run['title']}](../brokers/{run['broker']}.md)"
                    what = f"{_cell(run['version'].split(' sha=')[0])}, `{run['configuration']}`"
                    rows[run["broker"], run["configuration"], fault, outcome] = (
                        f"| {broker} | {what} | {fault} | {outcome} | `{run['command']}` |"
                    )
    about = "From recorded runs; what each outcome means, and how often it came: [brokers](../brokers/index.md)."
    head = [
        "## Real brokers that break it",
        "",
        about,
        "",
        "| broker | which | fault | outcome | run |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows.values()]) if rows else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _listed(title: str, lines: list[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {line}" for line in lines)]) if lines else ""


def clauses_index(texts: Iterable[ClauseText]) -> str:
    """Return the list of all clauses, a sentence each."""
    parts = [
        "# The clauses",
        "Each has an id that never changes. A store MUST keep all of them at the level it claims.",
    ]
    title = ""
    for text in texts:
        if text.title != title:
            title = text.title
            parts.append(f"## {title}\n\n| clause | the promise |\n|---|---|")
        parts[-1] += f"\n| [`{text.clause.value}`]({text.clause.value}.md) | {_cell(text.promise)} |"
    return "\n\n".join(parts) + "\n"


def group_page(texts: list[ClauseText]) -> str:
    """Return the page of a group: its clauses, with links."""
    parts = [f"# {texts[0].title}"]
    parts += [f"## {text.clause.value}\n\n{text.promise} [More]({text.clause.value}.md)." for text in texts]
    return "\n\n".join(parts) + "\n"


def appendix(texts: Iterable[ClauseText]) -> str:
    """Return clauses x checks x rules x bugs x tests, and rules x clauses x tests: nothing is without one."""
    rows, whole, ruled, without = [], 0, 0, []
    for text in texts:
        ties = ties_of(text.clause)
        bugs = len(ties.seen) + len(ties.may)
        name = text.clause.value
        whole += all((ties.checks, bugs, ties.tests))
        ruled += bool(ties.rules)
        without += [] if ties.rules else [f"[`{name}`](clauses/{name}.md)"]
        counts = [len(ties.checks), len(ties.rules) or "none", bugs, len(ties.tests)]
        rows.append(f"| [`{name}`](clauses/{name}.md) | {' | '.join(map(str, counts))} |")
    told = f"{whole} of {len(rows)} clauses have a check, a known bug, and a test that names them."
    told += f" {ruled} rest on rules of"
    rest = f"the model, and fall without them; of the others, {', '.join(without)}, the text says why there is none."
    head = f"# Coverage\n\n{told} {rest}"
    table = "\n".join(["| clause | checks | rules | bugs | tests |", "|---|---:|---:|---:|---:|", *rows])
    return f"{head}\n\n{table}\n\n{_rules_covered()}\n"


def _rules_covered() -> str:
    """Return each rule, with the clauses that fall without it, and the files of tests that name it."""
    named = tests_naming_rules()
    rows = []
    for rule in RULES.values():
        falls = ", ".join(f"[`{clause.value}`](clauses/{clause.value}.md)" for clause in rule.falls)
        rows.append(f"| `{rule.name}` | {falls} | {'<br>'.join(f'`{file}`' for file in named[rule.name])} |")
    covered = sum(bool(named[rule.name] and rule.falls) for rule in RULES.values())
    told = f"{covered} of {len(rows)} rules break a clause when they are switched off, and are named by a test."
    more = "That each is needed is tried by `ackcheck explore --rules`, and by the tests of that."
    return "\n".join(
        ["## The rules", "", told, more, "", "| rule | what falls without it | tests |", "|---|---|---|", *rows]
    )


@functools.cache
def tests_naming_rules() -> Mapping[str, Sequence[str]]:
    """Return the files of tests that name each rule, in quotes."""
    files = {path: path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("*.py"))}
    where = TESTS.parent
    return {
        rule: [path.relative_to(where).as_posix() for path, text in files.items() if f'"{rule}"' in text]
        for rule in RULES
    }
