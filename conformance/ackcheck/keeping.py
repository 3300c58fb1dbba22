"""What keeps a promise: the functions of the model that a rule switches, and those of the store that name a clause.

Both are read from the sources, nothing is listed by hand. A function of the model keeps a rule if it asks for it
(`rules.NAME`); a function or class of the reference store keeps a clause if its docstring says so, as in
"(clause `flush-rewrites`)". The store is read as text, and never imported.

>>> from ackmodel import rule_named
>>> functions_keeping(rule_named("rewrite-after-failure"))[0]
'ackmodel.spec.protocol.rewriting:rewritten'
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import ackmodel
from ackmodel import RULES, Clause, Rule

MODEL = Path(ackmodel.__file__).resolve().parent
STORE = "ackstore"
NAMED = re.compile(r"`([a-z]+(?:-[a-z]+)+)`")


def functions_keeping(rule: Rule) -> tuple[str, ...]:
    """Return the functions of the model that ask whether a rule is on, as `module:function`."""
    return _asking().get(rule.name, ())


@functools.cache
def _asking() -> Mapping[str, tuple[str, ...]]:
    """Return for each rule the functions that name it."""
    found: dict[str, list[str]] = {}
    for path in sorted([*MODEL.glob("spec/protocol/*.py"), *MODEL.glob("spec/environment/*.py")]):
        module = module_of(path, MODEL)
        for name, function in functions_of(tree_of(path)):
            for rule in sorted(_rules_named(function)):
                found.setdefault(rule, []).append(f"{module}:{name}")
    return {rule: tuple(functions) for rule, functions in found.items()}


def _rules_named(function: ast.AST) -> set[str]:
    """Return the names of the rules that stand in a function as `rules.NAME`."""
    attributes = (node for node in ast.walk(function) if isinstance(node, ast.Attribute))
    names = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "rules"}
    return {name for name in RULES if name.replace("-", "_").upper() in names}


@functools.cache
def store_functions() -> Mapping[Clause, tuple[str, ...]]:
    """Return the functions and classes of the reference store whose docstrings say that they keep a clause."""
    spec = find_spec(STORE)
    if spec is None or spec.origin is None:
        return {}
    root = Path(spec.origin).parent
    found: dict[Clause, list[str]] = {}
    for path in sorted(root.rglob("*.py")):
        for name, node in documented(tree_of(path)):
            for clause in clauses_in(ast.get_docstring(node) or ""):
                found.setdefault(clause, []).append(f"{module_of(path, root)}{':' if name else ''}{name}")
    return {clause: tuple(functions) for clause, functions in found.items()}


def clauses_in(text: str) -> tuple[Clause, ...]:
    """Return the clauses that a text names in backquotes.

    >>> clauses_in("Refuse more than that (clause `memory-is-bounded`), see `max-batch`.")
    (<Clause.MEMORY_IS_BOUNDED: 'memory-is-bounded'>,)
    """
    return tuple(dict.fromkeys(Clause(name) for name in NAMED.findall(text) if name in set(Clause)))


def module_of(path: Path, package: Path) -> str:
    """Return the dotted name of a module of a package, from its file."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions_of(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield functions and methods, by qualified name."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{each.name}", each) for each in node.body if isinstance(each, ast.FunctionDef))


def documented(tree: ast.Module) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef]]:
    """Yield what may have a docstring: the module itself (by an empty name), classes, functions and methods."""
    yield "", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name, node
            yield from ((f"{node.name}.{each.name}", each) for each in node.body if isinstance(each, ast.FunctionDef))
        elif isinstance(node, ast.FunctionDef):
            yield node.name, node


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a source."""
    return ast.parse(path.read_text(encoding="utf-8"))
