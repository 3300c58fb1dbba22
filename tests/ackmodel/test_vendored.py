"""The model is one folder that can be copied under any name: it needs attrs alone, and must not know its own name."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import attr
import attrs
import pytest

import ackmodel

ONLY_ATTRS = """
    import sys

    class OnlyAttrs:
        def find_spec(self, name, path=None, target=None):
            root = name.partition(".")[0]
            if root not in sys.stdlib_module_names | {"attr", "attrs", "oracle"}:
                raise ImportError(f"the vendored model imports {name}")

    sys.meta_path.insert(0, OnlyAttrs())
"""
STATES = """
    from oracle import *
    from oracle import VERSION, Config, moves

    start = Config(process_crashes=1).initial()
    seen, todo = {start}, [start]
    while todo:
        for move in moves(Config(process_crashes=1), todo.pop()):
            if move.after not in seen:
                seen.add(move.after)
                todo.append(move.after)
    print(VERSION, len(seen), Config.__module__)
"""
DOCTESTS = """
    import doctest, importlib, pkgutil
    import oracle

    names = [found.name for found in pkgutil.walk_packages(oracle.__path__, "oracle.")]
    results = [doctest.testmod(importlib.import_module(name)) for name in ["oracle", *names]]
    print(len(results), sum(bool(result.attempted) for result in results), sum(result.failed for result in results))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the model as `oracle`, and attrs, so that nothing else can be imported from there."""
    root = tmp_path_factory.mktemp("vendored")
    shutil.copytree(Path(ackmodel.__file__).parent, root / "oracle", ignore=shutil.ignore_patterns("__pycache__"))
    for package in (attr, attrs):
        folder = Path(str(package.__file__)).parent
        shutil.copytree(folder, root / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def run(root: Path, program: str) -> list[str]:
    """Run a program beside the copy, and return the words it printed."""
    # -S: no site-packages; -I would drop the path we add
    whole = f"import sys; sys.path.insert(0, {str(root)!r})\n" + textwrap.dedent(ONLY_ATTRS) + textwrap.dedent(program)
    ran = subprocess.run([sys.executable, "-S", "-c", whole], capture_output=True, text=True, check=False, cwd="/")
    assert ran.stderr == ""
    return ran.stdout.split()


def test_a_copy_under_another_name_has_the_same_states(root: Path) -> None:
    assert run(root, STATES) == [ackmodel.VERSION, "482", "oracle.spec.config"]


def test_its_examples_run_there(root: Path) -> None:
    modules, with_examples, *failures = map(int, run(root, DOCTESTS))
    assert failures == [0]
    assert with_examples > 0.8 * modules
