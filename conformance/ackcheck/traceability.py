"""What ties to a clause: its checks, the rules and bugs that break it, what keeps it in model and store, its tests.

Nothing is listed by hand. Invariants and leads-to properties are found in the tables of `ackmodel.spec.invariants` and
`ackmodel.spec.liveness`, monitors by their names; what the contract, the oracle and the harness may blame is read from
their sources: a function judges the clauses that it names. What keeps them is in `ackcheck.keeping`.

>>> ties = ties_of(Clause.FLUSH_IS_REAL)
>>> ties.checks[0]
Check(kind='state invariant', where='ackmodel.spec.invariants:flush_is_real')
>>> [rule.name for rule in ties.rules][:2]
['timeout-is-unknown', 'failed-sync-is-not-flushed']
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

import ackmodel
from ackcheck.keeping import functions_keeping, functions_of, store_functions, tree_of
from ackcheck.lab import KnownBug, known_bugs
from ackmodel import RULES, Clause, Rule
from ackmodel.observe import monitors
from ackmodel.spec.invariants import STATE, STEP
from ackmodel.spec.liveness import PROPERTIES

MODEL = Path(ackmodel.__file__).resolve().parent
SUITE = Path(__file__).resolve().parent
CHECKOUT = SUITE.parent.parent
"""The root of the checkout, if this is one."""


@frozen(order=True)
class Check:
    """A function that can find a clause broken: what kind it is, and where (`module:function`)."""

    kind: str
    where: str


@frozen
class Ties:
    """Everything that ties to one clause. `tests` is empty where there is no checkout around the package.

    `seen` are the bugs that break it first in a pinned run, `may` those that may break it first as well. `store` are
    the functions of the reference store that keep it, empty where that is not installed.
    """

    clause: Clause
    checks: tuple[Check, ...]
    rules: tuple[Rule, ...]
    seen: tuple[KnownBug, ...]
    may: tuple[KnownBug, ...]
    store: tuple[str, ...]
    tests: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the ties as JSON types."""
        return {
            "checks": [asdict(check) for check in self.checks],
            "rules": [_rule_json(rule) for rule in self.rules],
            "bugs_seen": [_bug_json(bug) for bug in self.seen],
            "bugs_that_may": [_bug_json(bug) for bug in self.may],
            "store": list(self.store),
            "tests": list(self.tests),
        }


def _rule_json(rule: Rule) -> dict[str, Any]:
    told = {"name": rule.name, "says": rule.says, "source": rule.source}
    return told | {"functions": list(functions_keeping(rule))}


def _bug_json(bug: KnownBug) -> dict[str, Any]:
    return {"name": bug.name, "mechanism": bug.mechanism, "source": bug.source}


def ties_of(clause: Clause) -> Ties:
    """Return what ties to a clause."""
    return Ties(
        clause,
        checks=tuple(check for judged, check in all_checks() if judged is clause),
        rules=tuple(rule for rule in RULES.values() if clause in rule.falls),
        seen=tuple(bug for bug in known_bugs().values() if clause in bug.seen),
        may=tuple(bug for bug in known_bugs().values() if clause in bug.may_break),
        store=store_functions().get(clause, ()),
        tests=naming_tests(CHECKOUT).get(clause, ()),
    )


# --- checks ---------------------------------------------------------------------------------------------------------


@functools.cache
def all_checks() -> tuple[tuple[Clause, Check], ...]:
    """Return every check with the clause that it judges: of the model first, then of the suite, each once."""
    found = [
        *((clause, Check("state invariant", _where(function))) for clause, function in STATE.items()),
        *((clause, Check("step invariant", _where(function))) for clause, function in STEP.items()),
        *((clause, Check("leads-to property", _where(asked.trigger))) for clause, asked in PROPERTIES.items()),
        *_blamed("contract", MODEL / "observe" / "blame.py", "ackmodel.observe.blame"),
        *_monitors(),
    ]
    for part in ORACLE:
        found += _blamed("oracle", MODEL / "observe" / f"{part}.py", f"ackmodel.observe.{part}")
    for path in sorted([*SUITE.glob("sim/*.py"), *SUITE.glob("grades/*.py")]):
        module = f"ackcheck.{path.parent.name}.{path.stem}"
        found += _blamed("harness", path, module)
    return tuple(dict.fromkeys(found))


def monitor_names() -> tuple[str, ...]:
    """Return the names of the monitors: the public functions of `ackmodel.observe.monitors`."""
    functions = inspect.getmembers(monitors, inspect.isfunction)
    return tuple(name for name, function in functions if function.__module__ == monitors.__name__ and name[0] != "_")


def clause_of(function_name: str) -> Clause | None:
    """Return the clause that a function is named as, if it is."""
    name = function_name.replace("_", "-")
    return Clause(name) if name in set(Clause) else None


def _where(function: Any) -> str:
    return f"{function.__module__}:{function.__name__}"


def _monitors() -> Iterator[tuple[Clause, Check]]:
    """Yield the monitors that the oracle calls: one that nobody calls checks nothing."""
    called = {name for part in ORACLE for name in _monitors_called(tree_of(MODEL / "observe" / f"{part}.py"))}
    for name in monitor_names():
        clause = clause_of(name)
        if clause is not None and name in called:
            yield clause, Check("monitor", f"{monitors.__name__}:{name}")


ORACLE = ("oracle", "witness", "queue")
"""The modules of the oracle."""

PREPARING = frozenset({"at_stake"})
"""Functions that name clauses in order to count what was at stake, and can break none."""


def _blamed(kind: str, path: Path, module: str) -> Iterator[tuple[Clause, Check]]:
    """Yield the clauses that the functions of a module name; where one calls the monitor, that stands for it."""
    for name, function in functions_of(tree_of(path)):
        if name.rpartition(".")[2] in PREPARING:
            continue
        monitored = {clause_of(called) for called in _monitors_called(function)}
        for node in ast.walk(function):
            clause = _clause_in(node)
            if clause is not None and clause not in monitored:
                yield clause, Check(kind, f"{module}:{name}")


def _monitors_called(tree: ast.AST) -> set[str]:
    """Return the names of the monitors that are called under a node, as `monitors.NAME`."""
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "monitors"}


def _clause_in(node: ast.AST) -> Clause | None:
    """Return the clause that `Clause.NAME` names."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Clause":
        return Clause.__members__.get(node.attr)
    return None


# --- tests ----------------------------------------------------------------------------------------------------------


@functools.cache
def naming_tests(checkout: Path) -> Mapping[Clause, tuple[str, ...]]:
    """Return the tests of a checkout that name each clause, as `Clause.NAME` or by its id, themselves or by a table.

    The tests of the specification itself name clauses as examples, and do not count.
    """
    found: dict[Clause, list[str]] = {}
    for path in sorted(checkout.glob("tests/**/test_*.py")):
        if path.stem == "test_spec":
            continue
        for test, clauses in _tests(tree_of(path)):
            for clause in clauses:
                found.setdefault(clause, []).append(f"{path.relative_to(checkout)}::{test}")
    return {clause: tuple(tests) for clause, tests in found.items()}


def _tests(tree: ast.Module) -> Iterator[tuple[str, list[Clause]]]:
    tables = {
        target.id: _named(node)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            clauses = _named(node).union(*(tables[name] for name in names if name in tables))
            yield node.name, sorted(clauses, key=list(Clause).index)


def _named(tree: ast.AST) -> set[Clause]:
    """Return the clauses named anywhere under a node."""
    found = set()
    for node in ast.walk(tree):
        clause = _clause_in(node)
        if clause is None and isinstance(node, ast.Constant) and node.value in set(Clause):
            clause = Clause(node.value)
        if clause is not None:
            found.add(clause)
    return found
