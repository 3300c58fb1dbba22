"""The textbook stores: how each is started, what level it claims, and which clauses must refuse it, if any.

>>> named("NeverSyncs").refused_by
(<Clause.SURVIVES_POWER_LOSS: 'survives-power-loss'>,)
>>> named("WalFull").right
True
"""

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from ackcheck.skeletons import files_of
from ackmodel import Clause, Level

HERE = Path(__file__).parent

SYNC = re.compile(r"\b[\w.]+\.Sync\(\)")
"""A sync, in Go."""

CRASH, POWER = Clause.SURVIVES_PROCESS_CRASH, Clause.SURVIVES_POWER_LOSS


class NoSuchStore(ValueError):
    """A store was named that the catalogue has not got; the message lists those it has."""


@frozen
class Textbook:
    """One store. It is right where no clause refuses it; else one of `refused_by` must be among what is found.

    One with a `server` is neither: its server is started by whoever runs the suite, out of its reach.
    """

    name: str
    language: str
    level: Level
    target: tuple[str, ...]
    """What `ackcheck run` is given: a factory, or a command line, in which `{program}` is what `source` is built to."""
    refused_by: tuple[Clause, ...] = ()
    needs: str = ""
    """The program it is run or built with; it is skipped by name where that is missing."""
    source: str = ""
    """The text of what is to be built first, in Go."""

    server: tuple[str, ...] = ()
    """The command of a server that the suite is not told of; it prints its port, and ends when its input does."""

    @property
    def right(self) -> bool:
        return not self.refused_by and not self.server

    @property
    def expected(self) -> str:
        if self.server:
            return "not-judged"
        return "kept" if self.right else " or ".join(clause.value for clause in self.refused_by)

    @contextlib.contextmanager
    def served(self) -> Iterator[dict[str, str]]:
        """The environment in which the suite is to be run, while the server runs, if there is one."""
        if not self.server:
            yield {}
            return
        with subprocess.Popen(self.server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            yield {"TEXTBOOK_PORT": server.stdout.readline().strip()}
            server.communicate()

    @property
    def missing(self) -> bool:
        return bool(self.needs) and shutil.which(self.needs) is None

    def built(self, directory: Path) -> list[str]:
        """What `ackcheck run` is given, with the program built in this directory, if there is one to build."""
        program = str(directory / "program")
        if self.source:
            main = directory / "main.go"
            main.write_text(self.source, encoding="utf-8")
            subprocess.run(["go", "build", "-o", program, str(main)], check=True)
        return [word.replace("{program}", program) for word in self.target]


def elsewhere(level: Level) -> Textbook:
    script = HERE / "elsewhere.py"
    return Textbook("Elsewhere", "Python", level, (f"{script}:Elsewhere",), server=(sys.executable, str(script)))


def python(module: str, name: str, level: Level, *refused_by: Clause) -> Textbook:
    return Textbook(name, "Python", level, (f"{HERE / module}:{name}",), refused_by)


def node(script: str, level: Level, *refused_by: Clause) -> Textbook:
    return Textbook(script, "Node", level, ("node", f"{HERE / script}", "{dir}"), refused_by, needs="node")


def go(name: str, says: str, level: Level, *refused_by: Clause, synced: bool = True) -> Textbook:
    """What `ackcheck new go` writes, as it stands or without its syncs: `says` stands above it."""
    [text] = [text for path, text in files_of("go") if path == "main.go"]
    source = f"// {says}\n\n{text if synced else SYNC.sub('error(nil)', text)}"
    return Textbook(name, "Go", level, ("{program}", "{dir}"), refused_by, needs="go", source=source)


CATALOGUE = (
    python("sqlite.py", "WalFull", Level.DISK),
    python("sqlite.py", "DeleteExtra", Level.DISK),
    python("sqlite.py", "DeleteFull", Level.DISK, POWER),
    python("sqlite.py", "SynchronousOff", Level.DISK, POWER),
    python("sqlite.py", "WalGoesOn", Level.DISK, POWER, Clause.FLUSH_REWRITES),
    python("files.py", "AppendLog", Level.DISK),
    python("files.py", "AsyncLog", Level.PAGE_CACHE),
    python("files.py", "AnswersBeforeTheWrite", Level.PAGE_CACHE, CRASH),
    python("files.py", "NeverSyncs", Level.DISK, POWER),
    python("files.py", "EmptyBarrier", Level.PAGE_CACHE, POWER),
    python("files.py", "RetriesSync", Level.DISK, POWER, Clause.FLUSH_REWRITES),
    python("files.py", "RewritesInPlace", Level.DISK, CRASH, POWER),
    python("files.py", "TimersStartAnew", Level.DISK, Clause.NO_LIMBO),
    python("files.py", "DropsAtClose", Level.MEMORY, Clause.CLOSE_DRAINS),
    python("files.py", "SavesAtTheEnd", Level.PAGE_CACHE, CRASH),
    python("files.py", "KnowsNothing", Level.MEMORY, Clause.UNKNOWN_HAS_A_CAUSE, Clause.FLUSH_DEGRADES),
    python("consumers.py", "ConsumerLog", Level.DISK),
    python("consumers.py", "GivesBackAll", Level.MEMORY, Clause.DEADLINE_IS_EXACT),
    python("consumers.py", "GivesBackNothing", Level.MEMORY, Clause.NO_LIMBO),
    python("consumers.py", "GivesBackTheAcked", Level.MEMORY, Clause.NO_RETURN),
    python(
        "consumers.py",
        "LeavesTwice",
        Level.MEMORY,
        Clause.RECEIPT_IS_EXACT,
        Clause.NO_LIMBO,
        Clause.DEADLINE_IS_EXACT,
    ),
    python("sealed.py", "SealedLog", Level.DISK),
    elsewhere(Level.MEMORY),
    node("append.mjs", Level.DISK),
    node("unsynced.mjs", Level.DISK, POWER),
    go("skeleton.go", "Right, at level disk: the log is synced before every answer.", Level.DISK),
    go(
        "skeleton.go:unsynced",
        "Wrong at level disk: nothing is ever synced. Refused by survives-power-loss.",
        Level.DISK,
        POWER,
        synced=False,
    ),
)

REFERENCE = tuple(Textbook(f"reference:{level.value}", "Python", level, ()) for level in Level)
"""The reference store, which is what `ackcheck run` judges where no target is named."""


def named(name: str) -> Textbook:
    for store in (*CATALOGUE, *REFERENCE):
        if store.name == name:
            return store
    known = ", ".join(store.name for store in (*CATALOGUE, *REFERENCE))
    raise NoSuchStore(f"no textbook store {name!r}: there are {known}")
