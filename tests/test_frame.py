"""The frame: what must hold of the whole tree, whatever its files say.

Each rule is a function from a root folder to a list of offences, so that the same function is shown
an offending tree (it must speak) and the real one (it must be silent).
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "ackmodel": Path("model/ackmodel"),
    "ackexplore": Path("model/ackexplore"),
    "ackstore": Path("impl/ackstore"),
    "ackcheck": Path("conformance/ackcheck"),
    "acklab": Path("conformance/acklab"),
}
MAY_IMPORT = {
    "ackmodel": set[str](),
    "ackexplore": {"ackmodel"},
    "ackstore": set[str](),
    "ackcheck": {"ackmodel", "ackexplore"},
    "acklab": {"ackmodel", "ackstore", "ackcheck"},
}
MAX_LINES = 450
MAX_FUNCTION = 70
LONGEST_ENTRY = 220
DEPTH = {"ackmodel": 12, "ackexplore": 11, "ackstore": 12, "ackcheck": 11, "acklab": 6}
"""How many modules the longest chain of imports in a package has, from what is run to what imports nothing of it. To be
lowered, and never raised."""
SOURCES = {".py", ".pyx", ".pxd", ".pxi"}

RINGS = ("words", "fields", "format", "core", "fastpath", "runtime", "")
"""The rings of ackstore, from the innermost: a module imports of its own ring and of those before it. The last, without
a folder, is what users import."""
NOT_IN_THE_CORE = (
    {"os", "io", "pathlib", "tempfile", "shutil", "fcntl", "mmap", "ctypes", "socket", "select", "logging"}
    | {"time", "datetime", "signal"}
    | {"threading", "queue", "asyncio", "concurrent", "multiprocessing", "subprocess"}
)
"""What the protocol has no use for: it does no I/O, has no thread, and is told what time it is."""

# Written so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:(?:root|home|Users|work)/\w|tmp/(?:plan|t)\b)")

Rule = Callable[[Path], list[str]]


def sources(root: Path, package: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((root / PACKAGES[package]).rglob("*.py")):
        yield path.relative_to(root), ast.parse(path.read_text(encoding="utf-8"))


def imported_roots(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The top-level name of every absolute import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module.partition(".")[0]


def imports_go_one_way(root: Path) -> list[str]:
    return [
        f"{path}:{line}: {package} imports {name}"
        for package, allowed in MAY_IMPORT.items()
        for path, tree in sources(root, package)
        for line, name in imported_roots(tree)
        if name in PACKAGES and name not in allowed | {package}
    ]


def explorer_is_for_the_command_line(root: Path) -> list[str]:
    """Judging a store needs the model, and no search of its states."""
    return [
        f"{path}:{line}: {name} is imported outside of ackcheck/cli"
        for path, tree in sources(root, "ackcheck")
        for line, name in imported_roots(tree)
        if name == "ackexplore" and (PACKAGES["ackcheck"] / "cli") not in path.parents
    ]


def model_is_vendorable(root: Path) -> list[str]:
    allowed = sys.stdlib_module_names | {"attr", "attrs", "ackmodel"}
    return [
        f"{path}:{line}: ackmodel imports {name}, only attrs and the standard library may be"
        for path, tree in sources(root, "ackmodel")
        for line, name in imported_roots(tree)
        if name not in allowed
    ]


def ring_of(path: Path) -> str:
    """The ring of a module of ackstore, by its path."""
    parts = path.relative_to(PACKAGES["ackstore"]).parts
    return parts[0] if len(parts) > 1 else ""


def imported_modules(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What a module imports, wherever it stands; of `from a import b` both `a` and `a.b`, as b may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def store_imports_inwards(root: Path) -> list[str]:
    offences = {}
    for path, tree in sources(root, "ackstore"):
        ring = ring_of(path)
        for line, name in imported_modules(tree):
            package, _, inside = name.partition(".")
            other = inside.partition(".")[0]
            other = other if other in RINGS else ""
            if package == "ackstore" and inside and (ring not in RINGS or RINGS.index(other) > RINGS.index(ring)):
                offences[path, line] = f"{path}:{line}: {ring or 'the outermost ring'} imports {name}"
    return list(offences.values())


def core_does_no_io(root: Path) -> list[str]:
    return [
        f"{path}:{line}: the core imports {name}"
        for path, tree in sources(root, "ackstore")
        if ring_of(path) == "core"
        for line, name in imported_roots(tree)
        if name in NOT_IN_THE_CORE
    ]


def import_graph(root: Path, package: str) -> tuple[dict[str, set[str]], dict[str, Path]]:
    """What each module of a package imports of it, wherever and for whomever, type checkers included; and its file."""
    files, trees = {}, {}
    for path, tree in sources(root, package):
        parts = path.relative_to(PACKAGES[package].parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        files[name], trees[name] = path, tree
    graph: dict[str, set[str]] = {name: set() for name in files}
    for name, tree in trees.items():
        here = name.split(".") if files[name].stem == "__init__" else name.split(".")[:-1]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & files.keys()
            elif isinstance(node, ast.ImportFrom):
                above = here[: len(here) - node.level + 1] if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                found = {f"{module}.{alias.name}" for alias in node.names}
                graph[name] |= {each if each in files else module for each in found} & files.keys()
    return graph, files


def no_module_imports_itself(root: Path) -> list[str]:
    """No circle of imports."""
    offences = []
    for package in PACKAGES:
        graph, files = import_graph(root, package)
        try:
            tuple(TopologicalSorter(graph).static_order())
        except CycleError as error:
            circle = error.args[1]
            offences.append(f"{files[circle[0]]}: a circle of imports: {' <- '.join(circle)}")
    return offences


def imports_are_not_deep(root: Path) -> list[str]:
    """No chain of imports within a package is longer than it was."""
    offences = []
    for package, most in DEPTH.items():
        graph, files = import_graph(root, package)
        chains: dict[str, list[str]] = {}
        try:
            for name in TopologicalSorter(graph).static_order():
                chains[name] = [name, *max((chains[each] for each in sorted(graph[name])), key=len, default=[])]
        except CycleError:
            continue  # see `no_module_imports_itself`
        longest = max(chains.values(), key=len, default=[])
        if len(longest) > most:
            chain = " <- ".join(reversed(longest))
            offences.append(f"{files[longest[0]]}: {len(longest)} layers of imports, at most {most}: {chain}")
    return offences


def modules_have_docstrings(root: Path) -> list[str]:
    return [
        f"{path}: no module docstring"
        for package in PACKAGES
        for path, tree in sources(root, package)
        if (not path.stem.startswith("_") or path.stem == "__init__") and not (ast.get_docstring(tree) or "").strip()
    ]


def tracked_files(root: Path) -> list[Path]:
    """What git tracks; in a tree without git (an unpacked sdist), every file."""
    if not (root / ".git").exists():
        return sorted(p for p in root.rglob("*") if p.is_file() and ".venv" not in p.parts)
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True)
    paths = (root / name for name in listing.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def files_fit_in_a_head(root: Path) -> list[str]:
    counts = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in tracked_files(root)
        if path.suffix in SOURCES
    }
    return [
        f"{path.relative_to(root)}: {count} lines, split it (limit {MAX_LINES})"
        for path, count in counts.items()
        if count > MAX_LINES
    ]


def functions_fit_on_a_screen(root: Path) -> list[str]:
    """Their bodies: a command of click has an argument an option."""
    return [
        f"{path}:{node.lineno}: {node.name} has {length} lines, split it (limit {MAX_FUNCTION})"
        for package in PACKAGES
        for path, tree in sources(root, package)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.body[0].lineno + 1) > MAX_FUNCTION
    ]


def names_no_machine(root: Path) -> list[str]:
    offences = []
    for path in tracked_files(root):
        text = path.read_bytes().decode("utf-8", errors="replace")
        offences += [
            f"{path.relative_to(root)}:{number}: {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if MACHINE_PATH.search(line)
        ]
    return offences


def changelog_is_lines(root: Path) -> list[str]:
    """An entry is one line, for users, and stands once: merges of the file keep both sides."""
    path = root / "CHANGELOG.md"
    lines = path.read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if line.startswith("- ")]
    offences = [(number, "the entry goes on: one line each") for number, line in enumerate(lines) if line[:1] == " "]
    offences += [(lines.index(line), "the entry stands twice") for line in {*entries} if entries.count(line) > 1]
    offences += [
        (number, f"{len(line)} characters, at most {LONGEST_ENTRY}: the rest is for specs/")
        for number, line in enumerate(lines)
        if line.startswith("- ") and len(line) > LONGEST_ENTRY
    ]
    return [f"CHANGELOG.md:{number + 1}: {what}" for number, what in offences]


def version_stands_once(root: Path) -> list[str]:
    """No module assigns a version of its own: the number stands in pyproject.toml."""
    return [
        f"{path}:{node.lineno}: __version__ is a literal; use importlib.metadata"
        for package in PACKAGES
        for path, tree in sources(root, package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == "__version__" for t in node.targets)
        and isinstance(node.value, ast.Constant)
    ]


OFFENDING = [
    (imports_go_one_way, "impl/ackstore/a.py", '"""D."""\nfrom ackmodel.spec.state import X\n'),
    (
        imports_go_one_way,
        "model/ackmodel/a.py",
        '"""D."""\ndef f():\n    import ackexplore.graph.engine\n',
    ),
    (imports_go_one_way, "model/ackexplore/a.py", '"""D."""\nimport ackstore\n'),
    (imports_go_one_way, "conformance/ackcheck/a.py", '"""D."""\nfrom ackstore.words.config import Config\n'),
    (imports_go_one_way, "conformance/ackcheck/a.py", '"""D."""\ndef f():\n    import acklab.zoo\n'),
    (explorer_is_for_the_command_line, "conformance/ackcheck/a.py", '"""D."""\nimport ackexplore\n'),
    (store_imports_inwards, "impl/ackstore/core/a.py", '"""D."""\nfrom ackstore.runtime.files import X\n'),
    (store_imports_inwards, "impl/ackstore/words/a.py", '"""D."""\nfrom ackstore.store import Store\n'),
    (core_does_no_io, "impl/ackstore/core/a.py", '"""D."""\ndef f():\n    from time import monotonic\n'),
    (
        no_module_imports_itself,
        "impl/ackstore/core/a.py",
        '"""D."""\nif TYPE_CHECKING:\n    from ackstore.core import a\n',
    ),
    (
        no_module_imports_itself,
        "model/ackmodel/spec/a.py",
        '"""D."""\nfrom . import a\n',
    ),
    (
        no_module_imports_itself,
        "conformance/acklab/a/__init__.py",
        '"""D."""\nfrom .. import a\n',
    ),
    (model_is_vendorable, "model/ackmodel/a.py", '"""D."""\nimport networkx\n'),
    (modules_have_docstrings, "conformance/ackcheck/rig/a.py", "X = 1\n"),
    (modules_have_docstrings, "impl/ackstore/__init__.py", ""),
    (files_fit_in_a_head, "tests/a.py", "X = 1\n" * (MAX_LINES + 1)),
    (files_fit_in_a_head, "impl/ackstore/a.pyx", "X = 1\n" * (MAX_LINES + 1)),
    (functions_fit_on_a_screen, "impl/ackstore/a.py", '"""D."""\ndef f():\n' + "    x = 1\n" * (MAX_FUNCTION + 1)),
    (names_no_machine, "README.md", "see " + "/".join(["", "home", "me", "x"]) + "\n"),
    (names_no_machine, "specs/a.md", "see `" + "/".join(["", "tmp", "plan", "x"]) + "`\n"),
    (changelog_is_lines, "CHANGELOG.md", "- one\n  and more\n"),
    (changelog_is_lines, "CHANGELOG.md", "- one\n- two\n- one\n"),
    (changelog_is_lines, "CHANGELOG.md", "- " + "x" * LONGEST_ENTRY + "\n"),
    (version_stands_once, "model/ackmodel/__init__.py", '"""D."""\n__version__ = "1.0"\n'),
]
RULES: list[Rule] = [*dict.fromkeys(rule for rule, _, _ in OFFENDING), imports_are_not_deep]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_tree_keeps(rule: Rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_longer_chain_of_imports_is_an_offence(package: str, tmp_path: Path) -> None:
    for number in range(DEPTH[package] + 1):
        path = tmp_path / PACKAGES[package] / f"a{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        before = f"from {package} import a{number - 1}\n" if number else ""
        path.write_text(f'"""D."""\n{before}', encoding="utf-8")
        assert len(imports_are_not_deep(tmp_path)) == (number == DEPTH[package])


@pytest.mark.parametrize(("rule", "name", "text"), OFFENDING)
def test_rule_speaks_of_an_offence(rule: Rule, name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    offences = rule(tmp_path)
    assert len(offences) == 1
    assert offences[0].startswith(name)


def test_every_package_is_there_and_typed() -> None:
    for package, folder in PACKAGES.items():
        assert (ROOT / folder / "__init__.py").is_file(), package
        assert (ROOT / folder / "py.typed").is_file(), package


def test_installed_version_is_the_one_in_pyproject() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    try:
        installed = metadata.version("ackcheck")
    except metadata.PackageNotFoundError:
        pytest.skip("ackcheck is not installed: pip install -e .")
    assert installed == stated["project"]["version"]


def test_lock_pins_every_requirement() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[\w.+]+", pin)] == []
    pinned = {re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = {
        re.split(r"[^A-Za-z0-9_.-]", name)[0].lower()
        for name in [*project["dependencies"], *(name for extra in extras for name in extra)]
    }
    # ackcheck: the extra that joins the others. The others: for who asks for them.
    assert wanted - pinned == {"ackcheck", "atheris", "axe-playwright-python", "mutmut", "playwright", "zensical"}
