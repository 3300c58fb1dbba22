"""Mutants of what the store has in C only: each small change to a line of a `.pyx` file must make a test fail.

    python -m tests.mutants.compiled                      # all of them: hours; a run that was stopped goes on
    python -m tests.mutants.compiled --sample 20          # 20 of each file, chosen by --seed
    python -m tests.mutants.compiled fields.compiled.reading    # this file

The rules of the fast path are Python, whose mutants `tests.mutants.run` tries. Here a line of C is changed as text, the
module is compiled anew in a copy of the checkout, and the tests of the fast path are run there. What the compiler
refuses is no mutant. `make mutants` runs both.

>>> [new for _, new in changed("    return done == size  # bytes")]
['    return done != size  # bytes']
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import click

ROOT = Path(__file__).parents[2]
HOME = Path("impl", "ackstore")
MODULES = ("fastpath.compiled.basics", "fields.compiled.raw", "fields.compiled.reading")
TESTS = ("tests/ackstore/fastpath", "tests/ackstore/format", "tests/ackstore/core/test_merge.py")
COPIED = ("impl", "model", "conformance", "tests", "hatch_build.py", "pyproject.toml", "README.md", "LICENSE")
LONGEST = 300.0
"""Seconds for the tests of a mutant: one that takes longer hangs."""

CHANGES = (
    (r"==", "!="),
    (r"!=", "=="),
    (r"is NULL", "is not NULL"),
    (r"is not", "is"),
    (r"<=", "<"),
    (r">=", ">"),
    (r"(?<=\w) < (?=\w)", " <= "),
    (r"(?<=\w) > (?=\w)", " >= "),
    (r"\band\b", "or"),
    (r"\bor\b", "and"),
    (r"\bnot (?!None|NULL)", ""),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r"\+=", "-="),
    (r" \* ", " // "),
    (r"<< ", ">> "),
    (r">> ", "<< "),
    (r" \| ", " & "),
    (r"\bTrue\b", "False"),
    (r"\bFalse\b", "True"),
    (r"(?<![\w\"'\\])(\d+)(?![\w\"'])", "one more"),
    (r"\bbreak\b", "pass"),
)
"""What is looked for in a line, and what is put in its place, at each place by itself."""


DECLARES = re.compile(
    r"\s*(cimport|from|import|cdef (enum|extern|class|inline|object|int8_t|uint32_t crcs)|cdef .*:$|@|def |\"\"\")"
)
"""Lines that do nothing."""


def changed(line: str) -> Iterator[tuple[str, str]]:
    """Return each change to a line: what was there, and the line with it."""
    code = line.split("#", maxsplit=1)[0]
    if DECLARES.match(code):
        return
    for pattern, new in CHANGES:
        for found in re.finditer(pattern, code):
            put = str(int(found[0]) + 1) if new == "one more" else new
            yield found[0], line[: found.start()] + put + line[found.end() :]


def file_of(module: str) -> Path:
    """Return where the source of a module is.

    >>> file_of("fields.compiled.raw").name
    'raw.pyx'
    """
    return HOME.joinpath(*module.split(".")).with_suffix(".pyx")


def mutants_of(module: str) -> list[dict[str, Any]]:
    """Return every mutant of a file."""
    lines = (ROOT / file_of(module)).read_text(encoding="utf-8").splitlines()
    found, quoted = [], False
    for number, line in enumerate(lines):
        if line.count('"""') == 1:
            quoted = not quoted
        elif not quoted:
            found += [
                {"module": module, "line": number + 1, "change": f"- {line.strip()}\n+ {new.strip()}", "new": new}
                for _, new in changed(line)
            ]
    return [one | {"key": crc32(f"{one['module']} {one['change']} {one['line']}".encode())} for one in found]


def tried(mutant: dict[str, Any], copy: Path) -> str:
    """Return what became of a mutant: `killed`, `survived`, `timeout`, or `refused` by the compiler."""
    name = mutant["module"].rpartition(".")[2]
    file = copy / file_of(mutant["module"])
    before = file.read_text(encoding="utf-8")
    lines = before.splitlines()
    lines[mutant["line"] - 1] = mutant["new"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        built = subprocess.run([sys.executable, "hatch_build.py", name], cwd=copy, capture_output=True, check=False)
        if built.returncode:
            return "refused"
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:cov", *TESTS]
        done = subprocess.run(command, cwd=copy, capture_output=True, timeout=LONGEST, check=False)
        return "killed" if done.returncode else "survived"
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        file.write_text(before, encoding="utf-8")
        for whole in (ROOT / HOME).rglob("*.so"):
            shutil.copy(whole, copy / whole.relative_to(ROOT))


def read(results: Path) -> list[dict[str, Any]]:
    """Return the results in a file, if there is one."""
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []


def table(done: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Return the result as the lines of a table."""
    yield "| module | mutants tried | killed | survived |"
    yield "|---|---:|---:|---:|"
    for module in MODULES:
        mine = [one for one in done if one["module"] == module and one["outcome"] != "refused"]
        left = sum(one["outcome"] == "survived" for one in mine)
        if mine:
            yield f"| `{module}` | {len(mine)} | {len(mine) - left} ({1 - left / len(mine):.0%}) | {left} |"


def part_of(_ctx: object, _option: object, text: str) -> tuple[int, int]:
    """Return where the part of a machine begins, and how many there are.

    >>> part_of(None, None, "2/4")
    (1, 4)
    """
    number, _, parts = text.partition("/")
    if not (number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
        raise click.BadParameter(f"{text!r} is no part: write K/N, as 1/4 for the first of four machines")
    return int(number) - 1, int(parts)


@click.command()
@click.argument("modules", nargs=-1)
@click.option("--sample", type=click.IntRange(1), help="This many of each file, chosen by seed; all by default.")
@click.option("--seed", default=1, show_default=True, help="Seed of the sample.")
@click.option("--part", default="1/1", callback=part_of, metavar="K/N", help="The part of one of N machines.")
@click.option("--results", type=click.Path(path_type=Path), default=Path("build/mutants-compiled.jsonl"))
def main(modules: tuple[str, ...], sample: int | None, seed: int, part: tuple[int, int], results: Path) -> None:
    """Try the mutants of the compiled part, and print what came of them. What the results have already is not tried."""
    results = results.absolute()
    results.parent.mkdir(parents=True, exist_ok=True)
    known = {row["key"] for row in read(results)}
    chosen: list[dict[str, Any]] = []
    for module in [name for name in MODULES if name in modules or not modules]:
        found = mutants_of(module)
        chosen += Random(f"{seed}/{module}").sample(found, min(sample or len(found), len(found)))
    chosen = chosen[part[0] :: part[1]]
    with tempfile.TemporaryDirectory(prefix="ackcheck-mutants-") as folder:
        copy = Path(folder)
        for name in COPIED:
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
        for at, mutant in enumerate([one for one in chosen if one["key"] not in known]):
            outcome = tried(mutant, copy)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**mutant, "outcome": outcome}) + "\n")
            sys.stderr.write(f"\r{at + 1} of {len(chosen)} tried ")
    done = read(results)
    print("\n" + "\n".join(table(done)))
    for one in done:
        if one["outcome"] == "survived":
            print(f"\n{one['module']}, line {one['line']}\n{one['change']}")


if __name__ == "__main__":
    main()
