"""The model is one folder that can be copied under any name: it needs attrs alone, and must not know its own name."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import attr
import attrs

import ackmodel

PROGRAM = """
    import sys

    class OnlyAttrs:
        def find_spec(self, name, path=None, target=None):
            root = name.partition(".")[0]
            if root not in sys.stdlib_module_names | {"attr", "attrs", "oracle"}:
                raise ImportError(f"the vendored model imports {name}")

    sys.meta_path.insert(0, OnlyAttrs())
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


def vendor(root: Path) -> None:
    """Copy the model as `oracle`, and attrs, so that nothing else can be imported from there."""
    shutil.copytree(Path(ackmodel.__file__).parent, root / "oracle", ignore=shutil.ignore_patterns("__pycache__"))
    for package in (attr, attrs):
        folder = Path(str(package.__file__)).parent
        shutil.copytree(folder, root / folder.name, ignore=shutil.ignore_patterns("__pycache__"))


def test_a_copy_under_another_name_has_the_same_states(tmp_path: Path) -> None:
    vendor(tmp_path)
    # -S: no site-packages; -I would drop the path we add
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + textwrap.dedent(PROGRAM)
    ran = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False, cwd="/")
    assert ran.stderr == ""
    assert ran.stdout.split() == [ackmodel.VERSION, "482", "oracle.spec.config"]
