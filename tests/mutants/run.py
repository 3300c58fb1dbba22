"""Mutation testing of the store's core: each small change to a function must make a test fail.

    make mutants                            # all of them: hours
    make mutants ARGS="--sample 20"         # 20 of each module, chosen by --seed
    make mutants ARGS="acks pops"           # these modules

Mutmut makes the mutants. They are tried here, and not by mutmut, because this is much quicker: the tests are collected
once, and for each mutant the process is forked, the code of one function is replaced in the child, and the tests that
call this function are run, the quickest first, until one fails. What the import of a module does, and functions with
decorators, are not mutated.

>>> place_of("xǁAcksǁack__mutmut_3"), place_of("x_encode_offsets__mutmut_12")
((('Acks', 'ack'), 3), (('', 'encode_offsets'), 12))
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import json
import os
import resource
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from types import FrameType, FunctionType, ModuleType
from typing import Any

import attrs
import click
import pytest

ROOT = Path(__file__).parents[2]

MODULES = (
    "acks",
    "pops",
    "renewals",
    "resets",
    "deaths",
    "entries",
    "queues",
    "flusher",
    "log",
    "offsets",
    "offsetfile",
    "operations",
    "records",
    "payloads",
    "identity",
    "replay",
    "recovery",
    "states",
    "compaction",
    "publishing",
    "merge",
    "lane",
    "core",
)
"""The core of the store: what has no threads, files or clocks in it, and decides everything."""

TESTS = (
    "tests/ackstore",
    "impl/ackstore",
    "tests/ackcheck/sim/test_regressions.py",
    "tests/ackcheck/fuzz/test_fuzz.py",
    "tests/mutants/test_last_resort.py",
)
IGNORED = (
    "test_kill.py",
    "test_metrics.py",
    "test_several_threads.py",
    "test_runtime.py",
    "test_hanging_writes.py",
    "test_failing_operations.py",
    "test_callbacks.py",
)
"""They run the store in another process, or what is around the core, and wait for real time."""

LONGEST = 20.0
"""Seconds after which a test that took nearly nothing hangs."""

MOST_MEMORY = 4 << 30

SEPARATOR = "ǁ"

Place = tuple[str, str]
"""A function: its class, or an empty string, and its name; or its file, and its qualified name."""


@attrs.frozen
class Mutant:
    """One change to one function."""

    module: str
    place: Place
    number: int
    change: str
    """The lines that are taken away and put in, with - and + before them."""
    code: Any = attrs.field(repr=False, eq=False)

    @property
    def name(self) -> str:
        """How reports call it."""
        return f"{self.module}.{'.'.join(filter(None, self.place))}#{self.number}"


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

    path = ROOT / "impl" / "ackstore" / f"{module}.py"
    made = mutate_file_contents(str(path), path.read_text(encoding="utf-8"))
    twin = ModuleType(f"mutants_of_{module}")
    sys.modules[twin.__name__] = twin
    exec(compile(made.code, f"<mutants of {module}>", "exec"), twin.__dict__)
    texts = _texts_of(made.code)
    found = []
    for name in made.mutant_names:
        place, number = place_of(name)
        holder = vars(getattr(twin, place[0])) if place[0] else vars(twin)
        original = texts[name.rpartition("_")[0] + "_orig"]
        found.append(Mutant(module, place, number, _change(original, texts[name]), holder[name]))
    return found


def _texts_of(code: str) -> dict[str, str]:
    """Return the body of every function in generated code, without comments."""
    texts = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name:
            texts[node.name] = "\n".join(ast.unparse(node).splitlines()[1:])
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


class Trial:
    """The plugin in which the tests run: once as they are, and then a part of them for each mutant."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, results: Path) -> None:
        self.mutants = mutants
        self.jobs = jobs
        self.results = results
        self.failed = ""
        self.done: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        callers, seconds = self._look(list(items.values()))
        running: dict[int, tuple[Mutant, float]] = {}
        waiting = list(reversed(self.mutants))
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant = waiting.pop()
                code = target_of(mutant.module, mutant.place).__code__
                names = sorted(callers.get((code.co_filename, code.co_qualname), ()), key=seconds.__getitem__)
                if not names:
                    self._note(mutant, "no test calls it", 0.0)
                    continue
                pid = os.fork()
                if not pid:
                    self._try(mutant, [items[name] for name in names], seconds)
                running[pid] = mutant, time.monotonic()
            if running:
                pid, status = os.wait()
                mutant, began = running.pop(pid)
                self._note(mutant, _outcome(status), time.monotonic() - began)
        return True

    def _look(self, items: list[pytest.Item]) -> tuple[Mapping[Place, set[str]], dict[str, float]]:
        """Run every test as it is, in a child; return the tests that call each function, and how long each takes.

        What an earlier run noted of the same tests beside its results is used again.
        """
        told = self.results.with_suffix(".tests.json")
        if not told.exists() or set(json.loads(told.read_text(encoding="utf-8"))) != {item.nodeid for item in items}:
            pid = os.fork()
            if not pid:
                told.write_text(json.dumps(self._looked(items)), encoding="utf-8")
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0, "the tests fail without any mutant"
        callers: dict[Place, set[str]] = defaultdict(set)
        seconds = {}
        for name, (taken, called) in json.loads(told.read_text(encoding="utf-8")).items():
            seconds[name] = taken
            for file, function in called:
                callers[file, function].add(name)
        return callers, seconds

    def _looked(self, items: list[pytest.Item]) -> dict[str, tuple[float, list[Place]]]:
        looked = {}
        called: set[Place] = set()
        inside = str(ROOT / "impl")

        def note(frame: FrameType, event: str, _argument: object) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(inside):
                called.add((frame.f_code.co_filename, frame.f_code.co_qualname))

        for item in items:
            called.clear()
            threading.setprofile(note)
            sys.setprofile(note)
            began = time.monotonic()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            sys.setprofile(None)
            looked[item.nodeid] = (time.monotonic() - began, sorted(called))
            if self.failed:
                sys.stderr.write(f"{self.failed} fails without any mutant\n")
                os._exit(1)
        return looked

    def _try(self, mutant: Mutant, items: list[pytest.Item], seconds: Mapping[str, float]) -> None:
        """In a child: put the mutant in, and run the tests until one fails."""
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        if not put_in(mutant):
            os._exit(SKIPPED)
        for item in items:
            signal.setitimer(signal.ITIMER_REAL, LONGEST + 20 * seconds[item.nodeid])
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            except BaseException:
                os._exit(KILLED)  # a test's own way to end everything
            if self.failed:
                os._exit(KILLED)
        os._exit(0)

    def _note(self, mutant: Mutant, outcome: str, seconds: float) -> None:
        self.done.append({"module": mutant.module, "name": mutant.name, "change": mutant.change, "outcome": outcome})
        self.done[-1]["seconds"] = round(seconds, 1)
        self.results.write_text(json.dumps(self.done, indent=1, ensure_ascii=False), encoding="utf-8")
        killed = sum(one["outcome"] in ("killed", "timeout") for one in self.done)
        sys.stderr.write(f"\r{len(self.done)}/{len(self.mutants)}, {killed} killed ")
        sys.stderr.flush()


KILLED, SKIPPED = 3, 4


def _outcome(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "timeout" if os.WTERMSIG(status) == signal.SIGALRM else "killed"
    return {0: "survived", SKIPPED: "skipped"}.get(os.WEXITSTATUS(status), "killed")


def table(done: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return the result as the lines of a table."""
    yield "| module | mutants tried | killed | survived |"
    yield "|---|---:|---:|---:|"
    total = [0, 0, 0]
    for module in MODULES:
        mine = [one for one in done if one["module"] == module and one["outcome"] != "skipped"]
        killed = sum(one["outcome"] in ("killed", "timeout") for one in mine)
        if mine:
            yield f"| `{module}` | {len(mine)} | {killed} ({killed / len(mine):.0%}) | {len(mine) - killed} |"
            total = [total[0] + len(mine), total[1] + killed, total[2] + len(mine) - killed]
    yield f"| all | {total[0]} | {total[1]} ({total[1] / max(1, total[0]):.1%}) | {total[2]} |"


@click.command()
@click.argument("modules", nargs=-1, type=click.Choice(MODULES))
@click.option("--sample", type=click.IntRange(1), help="So many of each module, chosen by seed; all by default.")
@click.option("--seed", default=1, show_default=True, help="Seed of the sample.")
@click.option("--jobs", default=2, show_default=True, help="Mutants tried at once.")
@click.option("--again", type=click.Path(exists=True, path_type=Path), help="Only what survived in these results.")
@click.option("--results", default="build/mutants.json", show_default=True, type=click.Path(path_type=Path))
def main(modules: tuple[str, ...], sample: int | None, seed: int, jobs: int, again: Path | None, results: Path) -> None:
    """Try the mutants of the store's core, and print what came of them."""
    os.environ["ACKSTORE_PURE"] = "1"  # the compiled short way has no Python code to mutate
    sys.path[:0] = [str(ROOT / part) for part in ("model", "impl", "conformance", "tests/support")]
    results = results.absolute()
    os.chdir(ROOT)
    chosen: list[Mutant] = []
    for module in modules or MODULES:
        importlib.import_module(f"ackstore.{module}")
        found = mutants_of(module)
        chosen += Random(f"{seed}/{module}").sample(found, min(sample or len(found), len(found)))
    if again:
        left = {
            (one["module"], one["change"])
            for one in json.loads(again.read_text(encoding="utf-8"))
            if one["outcome"] not in ("killed", "timeout")
        }
        chosen = [mutant for mutant in chosen if (mutant.module, mutant.change) in left]
    results.parent.mkdir(parents=True, exist_ok=True)
    trial = Trial(chosen, jobs, results)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--timeout=0"]
    options += [f"--ignore=tests/ackstore/{name}" for name in IGNORED]
    code = pytest.main([*options, *TESTS], plugins=[trial])
    print("\n" + "\n".join(table(trial.done)))
    for one in trial.done:
        if one["outcome"] not in ("killed", "timeout"):
            print(f"\n{one['name']}: {one['outcome']}\n{one['change']}")
    sys.exit(int(code))


if __name__ == "__main__":
    main()
