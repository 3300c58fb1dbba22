"""Mutants of the store: what they are, and how one is put in the place of the function that it changes.

Mutmut makes them. What the import of a module does, and functions with decorators, are not mutated.

>>> place_of("xǁAcksǁack__mutmut_3"), place_of("x_encode_offsets__mutmut_12")
((('Acks', 'ack'), 3), (('', 'encode_offsets'), 12))
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import os
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from zlib import crc32

import attrs

ROOT = Path(__file__).parents[2]

CORE = (
    "core.receipts",
    "core.acks",
    "core.pops",
    "core.renewals",
    "core.resets",
    "core.dead_letters",
    "core.entries",
    "core.queues",
    "core.flusher",
    "core.gathering",
    "core.space",
    "core.abandoned",
    "core.log",
    "core.segment",
    "core.record",
    "core.timers",
    "format.filenames",
    "core.offsets",
    "format.offsetfile",
    "core.directory",
    "core.operations",
    "words.requests",
    "format.records",
    "format.payloads",
    "words.identity",
    "core.replay",
    "format.recovery",
    "core.states",
    "core.compaction",
    "core.publishing",
    "core.merge",
    "fastpath.engines",
    "fastpath.path",
    "fastpath.plain.acks",
    "fastpath.plain.basics",
    "fastpath.plain.calls",
    "fields.plain.settling",
    "fastpath.turns",
    "core.core",
    "core.sharded",
    "words.totals",
    "words.histogram",
    "words.config",
    "words.errors",
)
"""The core of the store: what has no threads or files in it, and decides everything. (`effects`, `replies` and `stats`
only have values in them, `parts` and `engine` only protocols, and `placement` only a function with a decorator: nothing
to mutate.)"""

AROUND = (
    "fastpath.clock",
    "runtime.descriptors",
    "runtime.directory_lock",
    "runtime.driver",
    "runtime.files",
    "runtime.forks",
    "runtime.lock",
    "runtime.logs",
    "runtime.memory",
    "runtime.pools",
    "runtime.pwrite",
    "runtime.refusals",
    "runtime.reserve",
    "runtime.sight",
    "runtime.snapshots",
    "runtime.threads",
    "runtime.waiting",
    "store",
    "aio",
    "inspection",
    "cli",
    "metrics",
)
"""What is around it: threads, files and clocks, and what clients call."""

MODULES = (*CORE, *AROUND)

SEPARATOR = "ǁ"

Place = tuple[str, str]
"""A function: its class, or an empty string, and its name."""


@attrs.frozen
class Mutant:
    """One change to one function."""

    module: str
    place: Place
    number: int
    change: str
    """The lines that are taken away and put in, with - and + before them."""
    original: int
    """Checksum of the function as it is."""
    code: Any = attrs.field(repr=False, eq=False)

    @property
    def function(self) -> str:
        """What reports call the function.

        >>> Mutant("acks", ("Acks", "ack"), 3, "", 0, None).function
        'acks.Acks.ack'
        """
        return f"{self.module}.{'.'.join(filter(None, self.place))}"

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.function}#{self.number}"


def plainly() -> None:
    """See that what is imported from now on is this checkout, and the plain store: the compiled part of it has no
    Python code to mutate."""
    os.environ["ACKSTORE_PURE"] = "1"
    sys.path[:0] = [str(ROOT / part) for part in ("model", "impl", "conformance", "tests/support")]


def place_of(name: str) -> tuple[Place, int]:
    """Return the function that mutmut's name of a mutant stands for, and its number."""
    mangled, _, number = name.rpartition("__mutmut_")
    if mangled.startswith("x" + SEPARATOR):
        _, owner, function = mangled.split(SEPARATOR)
        return (owner, function), int(number)
    return ("", mangled.removeprefix("x_")), int(number)


def mutants_of(module: str) -> list[Mutant]:
    """Return every mutant of a module of the store."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    importlib.import_module(f"ackstore.{module}")
    path = ROOT / "impl" / "ackstore" / f"{module.replace('.', '/')}.py"
    made = mutate_file_contents(str(path), path.read_text(encoding="utf-8"))
    twin = ModuleType(f"mutants_of_{module}")
    twin.__package__ = f"ackstore.{module}".rpartition(".")[0]
    sys.modules[twin.__name__] = twin
    exec(compile(made.code, f"<mutants of {module}>", "exec"), twin.__dict__)
    texts = _texts_of(made.code)
    found = []
    for name in made.mutant_names:
        place, number = place_of(name)
        holder = vars(getattr(twin, place[0])) if place[0] else vars(twin)
        original = texts[name.rpartition("_")[0] + "_orig"]
        change = _change(original, texts[name])
        found.append(Mutant(module, place, number, change, crc32(original.encode()), holder[name]))
    return found


def _texts_of(code: str) -> dict[str, str]:
    """Return the body of every function in generated code, without comments."""
    texts = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name:
            texts[node.name] = "\n".join(ast.unparse(node).splitlines()[1 + len(node.decorator_list) :])
            texts[node.name] = ast.unparse(node.args) + "\n" + texts[node.name]
    return texts


def _change(old: str, new: str) -> str:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
    return "\n".join(line[0] + " " + line[1:].strip() for line in lines if line[:3] not in ("---", "+++", "@@ "))


def target_of(module: str, place: Place) -> FunctionType:
    """Return the function in the store itself."""
    owner, name = place
    home = sys.modules[f"ackstore.{module}"]
    found = inspect.getattr_static(getattr(home, owner), name) if owner else getattr(home, name)
    for inner in ("fget", "__func__"):
        found = getattr(found, inner, None) or found
    assert isinstance(found, FunctionType), (module, place)
    return found


def put_in(mutant: Mutant) -> bool:
    """Replace the code of the mutant's function in this process; return whether that can be done."""
    target = target_of(mutant.module, mutant.place)
    new = mutant.code
    for inner in ("fget", "__func__"):
        new = getattr(new, inner, None) or new
    if len(new.__code__.co_freevars) != len(target.__code__.co_freevars):
        return False
    target.__code__ = new.__code__
    target.__defaults__, target.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
    return True
