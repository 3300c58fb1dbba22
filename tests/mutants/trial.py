"""Trying mutants, many times quicker than by starting the tests anew for each: as a plugin of pytest, which collects
the tests once.

First every test is run as it is, to see which functions of the store it calls, and how long it takes. Then, for each
mutant, the process is forked, the code of one function is replaced in the child, and the tests that call this function
are run until one fails.

- **Which test goes first** is a matter of hours: the one that takes the least for what it may be expected to find. So
  tests that have killed mutants of this function go first, and apart from that the quickest.
- **A test that hangs** kills. A limit on processor time sees it, so that a busy machine does not. What waits for ever
  takes none: `tests.mutants.hanging` sees that nothing of it wants to run. A far higher limit on time by the clock is
  there for whatever is left.
- **A test with threads** may fail because the machine is slow. Such tests go last, and have to fail twice.
- **A mutant can do anything to files**, so each is tried in a folder and a session of its own, which end with it.
- Hypothesis draws the same examples each time, and does not shorten what fails.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from types import FrameType
from zlib import crc32

import attrs
import pytest
from tests.mutants.hanging import LOOK, Hanging
from tests.mutants.making import ROOT, Mutant, put_in, target_of

MOST_SECONDS, MORE_SECONDS = 5.0, 5.0
"""Processor time after which a test that took nearly nothing hangs, and this many times what it took besides (which was
measured while every call was noted, and so is many times what it takes)."""

MOST_WAITING, MORE_WAITING = 300.0, 100.0
"""The same by the clock."""

MOST_MEMORY = 4 << 30

PRIOR = 0.02
"""The kills that a test may be expected to make of a function of which it has killed no mutant yet."""

KILLED, SKIPPED = 3, 4


@attrs.frozen
class Seen:
    """What there is to know of a test."""

    seconds: float
    """By the clock: what a limit on waiting has to allow for."""
    work: float
    """Processor time, with that of its processes: what it takes on a machine that is busy with other things, too."""
    threads: bool
    calls: list[tuple[str, str]]
    """File and qualified name of every function of the store that it calls."""


@attrs.frozen
class Running:
    """A mutant that is being tried, in a child."""

    pid: int
    mutant: Mutant
    job: int
    names: Sequence[str]
    """The tests that it is tried with."""
    untried: int
    scratch: str
    """A folder of its own."""
    began: float = attrs.field(factory=time.monotonic)
    hanging: Hanging = attrs.field(factory=Hanging)


class Trial:
    """The plugin. `note` hears of each mutant what became of it."""

    def __init__(
        self,
        mutants: Sequence[Mutant],
        seen: Path,
        killers: Mapping[str, Counter[str]],
        *,
        jobs: int = 1,
        most: float = float("inf"),
    ) -> None:
        self.mutants = mutants
        self.jobs = jobs
        self.most = most
        """How many seconds of tests to spend on a mutant, by the processor time of each when it was looked at."""
        self.seen = seen
        """Where to keep what the first run of the tests has shown, for the next time."""
        self.killers = defaultdict(Counter, killers)
        """By function: how many of its mutants each test has killed."""
        self.failed = ""
        self.at = mmap.mmap(-1, 4 * max(jobs, 1))
        """For each job, shared with the children: which of its tests is running."""

    def note(self, mutant: Mutant, outcome: str, test: str, untried: int, seconds: float) -> None:
        """A mutant has been tried; `untried` tests were left out."""
        raise NotImplementedError

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        seen = self._look(items)
        callers: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name, one in seen.items():
            for place in one.calls:
                callers[place].append(name)
        gc.collect()
        gc.freeze()  # so that the children's collector does not copy every page
        running: dict[int, Running] = {}
        waiting = list(reversed(self.mutants))
        free = list(range(self.jobs))
        while waiting or running:
            while waiting and free:
                mutant = waiting.pop()
                code = target_of(mutant.module, mutant.place).__code__
                names = self._in_order(mutant, callers[code.co_filename, code.co_qualname], seen)
                spent = accumulate(seen[name].work for name in names)
                untried = sum(seconds > self.most for seconds in [*spent][1:])  # one is tried, however long it takes
                names = names[: len(names) - untried]
                if not names:
                    self.note(mutant, "no test calls it", "", untried, 0.0)
                    continue
                job, scratch = free.pop(), tempfile.mkdtemp(prefix="mutant-")
                self._at(job, 0)
                pid = os.fork()
                if not pid:
                    _go_apart(scratch)
                    self._try(mutant, job, [items[name] for name in names], seen)
                running[pid] = Running(pid, mutant, job, names, untried, scratch)
            for pid, outcome in self._ended(running.values(), seen):
                tried = running.pop(pid)
                free.append(tried.job)
                self._end(tried, outcome)
        return True

    def _ended(self, running: Iterable[Running], seen: Mapping[str, Seen]) -> list[tuple[int, str]]:
        """Wait for a moment; return which children have ended by then, and what came of them. Those that hang do."""
        by_file = {os.pidfd_open(one.pid): one for one in running}
        ended, _, _ = select.select([*by_file], [], [], LOOK)
        found = [(by_file[file].pid, _outcome(os.waitpid(by_file[file].pid, 0)[1])) for file in ended]
        for file, one in by_file.items():
            os.close(file)
            test = self._running(one.job)
            if not ended and one.hanging.hangs(one.pid, test, seen[one.names[test]].seconds):
                os.kill(one.pid, signal.SIGKILL)
                os.waitpid(one.pid, 0)
                found.append((one.pid, "timeout"))
        return found

    def _end(self, one: Running, outcome: str) -> None:
        """Take note of what came of a mutant, and see that nothing of it is left."""
        with suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)  # what its tests have started
        shutil.rmtree(one.scratch, ignore_errors=True)
        test = one.names[self._running(one.job)]
        if outcome in ("killed", "timeout"):
            self.killers[one.mutant.function][test] += 1
        untried = one.untried if outcome == "survived" else 0
        self.note(one.mutant, outcome, test, untried, time.monotonic() - one.began)

    def _in_order(self, mutant: Mutant, names: Sequence[str], seen: Mapping[str, Seen]) -> list[str]:
        killers = self.killers[mutant.function]
        return sorted(names, key=lambda name: (seen[name].threads, seen[name].seconds / (killers[name] + PRIOR)))

    # How the tests are without any mutant

    def _look(self, items: Mapping[str, pytest.Item]) -> dict[str, Seen]:
        """Run every test as it is, in a child. What is known of a test is used again for as long as its file, the store
        and what tests share have not changed."""
        states = _states(items)
        known = self._known(states)
        if left := {name: item for name, item in items.items() if name not in known}:
            file = os.open(self.seen, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            scratch = tempfile.mkdtemp(prefix="mutants-")
            pid = os.fork()
            if not pid:
                _go_apart(scratch)
                for name, one in self._looked(left):
                    os.write(file, _line(name, states[name], one).encode())  # now: a look that is stopped goes on
                os._exit(0)
            status = os.waitpid(pid, 0)[1]
            os.close(file)
            shutil.rmtree(scratch, ignore_errors=True)
            if status:
                raise pytest.UsageError("a test fails without any mutant")
            known = self._known(states)
        return {name: known[name] for name in items}

    def _known(self, states: Mapping[str, int]) -> dict[str, Seen]:
        lines = self.seen.read_text(encoding="utf-8").splitlines() if self.seen.exists() else []
        return {
            name: Seen(seconds, work, threads, [(*place,) for place in calls])
            for name, state, (seconds, work, threads, calls) in map(json.loads, lines)
            if states.get(name) == state
        }

    def _looked(self, items: Mapping[str, pytest.Item]) -> Iterator[tuple[str, Seen]]:
        called: set[tuple[str, str]] = set()
        threads: set[int] = set()
        inside = str(ROOT / "impl")
        me, journal = os.getpid(), os.open("calls", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        """What processes that a test forks call, line by line: open by now, as they may be another user's."""

        def see(frame: FrameType, event: str, _argument: object) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(inside):
                place = frame.f_code.co_filename, frame.f_code.co_qualname
                if place not in called and os.getpid() != me:
                    os.write(journal, json.dumps(place).encode() + b"\n")
                called.add(place)
                threads.add(threading.get_ident())

        for name, item in items.items():
            called.clear()
            threads.clear()
            threading.setprofile(see)
            sys.setprofile(see)
            began, worked = time.monotonic(), _work()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            sys.setprofile(None)
            threading.setprofile(None)
            seconds, work = time.monotonic() - began, _work() - worked
            lines = os.pread(journal, os.fstat(journal).st_size, 0).splitlines()
            os.ftruncate(journal, 0)
            called |= {(*json.loads(line),) for line in lines}
            if self.failed:
                sys.stderr.write(f"{self.failed} fails without any mutant\n")
                os._exit(1)
            yield name, Seen(seconds, work, len(threads) > 1, sorted(called))

    # In a child

    def _running(self, job: int) -> int:
        return int.from_bytes(self.at[4 * job : 4 * job + 4], "little")

    def _at(self, job: int, number: int) -> None:
        self.at[4 * job : 4 * job + 4] = number.to_bytes(4, "little")

    def _try(self, mutant: Mutant, job: int, items: Sequence[pytest.Item], seen: Mapping[str, Seen]) -> None:
        """Put the mutant in, and run the tests until one fails."""
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        if not put_in(mutant):
            os._exit(SKIPPED)
        for number, item in enumerate(items):
            self._at(job, number)
            one = seen[item.nodeid]
            for _ in range(2 if one.threads else 1):
                self.failed = ""
                _limit(one.seconds)
                try:
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                except BaseException:
                    os._exit(KILLED)  # a test's own way to end everything
                if not self.failed:
                    break
            if self.failed:
                os._exit(KILLED)
        os._exit(0)


def _states(items: Mapping[str, pytest.Item]) -> dict[str, int]:
    """Return a checksum of all that a test is made of, for each."""
    state = 0
    for file in sorted([*ROOT.glob("tests/**/*.py"), *ROOT.glob("impl/**/*.py")]):
        if not file.name.startswith("test_") and file.parent != Path(__file__).parent:
            state = crc32(file.read_bytes(), state)
    files = {path: crc32(path.read_bytes(), state) for path in {item.path for item in items.values()}}
    return {name: files[item.path] for name, item in items.items()}


def _line(name: str, state: int, one: Seen) -> str:
    return json.dumps((name, state, attrs.astuple(one))) + "\n"


def _go_apart(scratch: str) -> None:
    """Have this child and what it starts be told from others, and its files made in a folder of its own."""
    os.setsid()
    Path(scratch).chmod(0o755)  # some tests look at it as another user
    os.chdir(scratch)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.tempdir = scratch


def _work() -> float:
    """The processor time that this process and those that it has waited for have taken."""
    return sum(os.times()[:4])


def _limit(seconds: float) -> None:
    for alarm in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(alarm, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS + MORE_SECONDS * seconds)
    signal.setitimer(signal.ITIMER_REAL, MOST_WAITING + MORE_WAITING * seconds)


def _outcome(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "timeout" if os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM) else "killed"
    return {0: "survived", SKIPPED: "skipped"}.get(os.WEXITSTATUS(status), "killed")
