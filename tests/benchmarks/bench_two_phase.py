"""The same model in every explorer that is installed: two-phase commit, ours, TLC's and Spin's, in one go.

    python tests/benchmarks/bench_two_phase.py [--managers 8] [--json FILE]

Ours is `ackexplore.examples.two_phase_commit`, on the table engine, with one thread and with all; TLC (Java and the
extra `tla`) reads `two_phase/TwoPhase.tla`, with a worker a processor; for Spin (and a C compiler) the same is written
as one process of atomic steps, so that it has the same states. All judge consistency in every state. What differs in
distinct states is said, and ends with 1. Ours is compiled by Numba once and kept on disk, so a small run comes first;
the time that Spin's verifier is compiled for is told by itself, and that Java starts for is in TLC's.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from ackexplore.examples.two_phase_commit import TwoPhaseCommit
from ackexplore.options import Options
from ackexplore.table.engine import explore_table, threads_here
from twin import jar, missing

TLA = Path(__file__).parent / "two_phase"
LONGEST = 3600.0


@frozen(kw_only=True)
class Run:
    """What one explorer said: `generated` are the transitions and the first state.

    `used` are seconds of processors, which a busy machine disturbs less; `before`, seconds to get ready.
    """

    explorer: str
    states: int
    generated: int
    seconds: float
    used: float
    before: float = 0.0


def ours(managers: int, threads: int) -> Run:
    """Explore with the table engine."""
    explore_table(TwoPhaseCommit(resource_managers=3))
    began, used = time.perf_counter(), time.process_time()
    result = explore_table(TwoPhaseCommit(resource_managers=managers), Options(threads=threads))
    seconds, used = time.perf_counter() - began, time.process_time() - used
    assert result.holds
    name = f"ackexplore, threads {threads}"
    return Run(explorer=name, states=result.states, generated=result.edges + 1, seconds=seconds, used=used)


def by_tlc(managers: int) -> Run:
    """Explore with TLC, a worker a processor."""
    with tempfile.TemporaryDirectory(prefix="ackcheck-tlc-") as folder:
        settings = Path(folder) / "TwoPhase.cfg"
        names = ", ".join(f"rm{number}" for number in range(managers))
        settings.write_text(f"SPECIFICATION Spec\nINVARIANT Consistent\nCONSTANT RM = {{{names}}}\n", encoding="utf-8")
        command = ["java", "-XX:+UseParallelGC", f"-Djava.io.tmpdir={folder}", "-cp", str(jar()), "tlc2.TLC"]
        command += [
            "-workers",
            str(threads_here()),
            "-deadlock",
            "-metadir",
            folder,
            "-config",
            str(settings),
            "TwoPhase.tla",
        ]
        said, seconds, used = _timed(command, TLA)
    found = re.findall(r"([\d,]+) states generated, ([\d,]+) distinct states found, 0 states left", said)[-1]
    generated, states = (int(count.replace(",", "")) for count in found)
    return Run(
        explorer=f"TLC, workers {threads_here()}", states=states, generated=generated, seconds=seconds, used=used
    )


def by_spin(managers: int) -> Iterator[Run]:
    """Explore with Spin, depth first as it does by itself, and breadth first."""
    for order, flags in (("depth first", []), ("breadth first", ["-DBFS"])):
        with tempfile.TemporaryDirectory(prefix="ackcheck-spin-") as folder:
            (Path(folder) / "two_phase.pml").write_text(promela(managers), encoding="utf-8")
            began = time.perf_counter()
            _timed(["spin", "-a", "two_phase.pml"], Path(folder))
            options = ["-DSAFETY", "-DNOFAIR", "-DMEMLIM=8192", "-DVECTORSZ=1024", *flags]
            _timed(["cc", "-O2", "-w", *options, "-o", "pan", "pan.c"], Path(folder))
            before = time.perf_counter() - began
            said, seconds, used = _timed(["./pan", "-m5000000", "-w24"], Path(folder))
        assert "errors: 0" in said, said
        states, stored = _told(said, "states, stored"), _told(said, "transitions")
        name = f"Spin, {order}"
        yield Run(explorer=name, states=states, generated=stored, seconds=seconds, used=used, before=before)


def _told(said: str, what: str) -> int:
    found = re.search(rf"([\d.e+]+) {re.escape(what)}", said)
    assert found, said
    return int(float(found[1]))


def promela(managers: int) -> str:
    """Return two-phase commit for Spin: what is in the network follows from `decision` and `sent`."""
    every = range(managers)
    consistent = " && ".join(f"doing[{rm}] != ABORTED" for rm in every)
    steps = [
        line
        for rm in every
        for line in (
            f":: d_step {{ doing[{rm}] == WORKING -> doing[{rm}] = PREPARED; sent[{rm}] = true }}",
            f":: d_step {{ doing[{rm}] == WORKING -> doing[{rm}] = ABORTED; assert(!some_committed) }}",
            f":: d_step {{ sent[{rm}] && decision == NONE -> received[{rm}] = true }}",
            f":: d_step {{ decision == COMMIT -> doing[{rm}] = COMMITTED; assert({consistent}) }}",
            f":: d_step {{ decision == ABORT -> doing[{rm}] = ABORTED; assert(!some_committed) }}",
        )
    ]
    some_committed = " || ".join(f"doing[{rm}] == COMMITTED" for rm in every)
    all_received = " && ".join(f"received[{rm}]" for rm in every)
    return "\n".join(
        [
            "mtype = { WORKING, PREPARED, COMMITTED, ABORTED, NONE, COMMIT, ABORT }",
            f"#define some_committed ({some_committed})",
            f"mtype doing[{managers}] = WORKING; bit sent[{managers}], received[{managers}]; mtype decision = NONE;",
            "active proctype system() { do",
            f":: d_step {{ decision == NONE && {all_received} -> decision = COMMIT }}",
            ":: d_step { decision == NONE -> decision = ABORT }",
            *steps,
            "od }",
            "",
        ]
    )


def _timed(command: list[str], folder: Path) -> tuple[str, float, float]:
    began, used = time.perf_counter(), _used_by_children()
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LONGEST, check=False, encoding="utf-8"
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout, seconds, _used_by_children() - used


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def runs(managers: int) -> Iterator[Run]:
    """Yield a run of each explorer that is here; say which is not."""
    for threads in sorted({1, threads_here()}):
        yield ours(managers, threads)
    if missing():
        print(f"TLC is left out: {missing()}", file=sys.stderr)
    else:
        yield by_tlc(managers)
    lacking = [name for name in ("spin", "cc") if shutil.which(name) is None]
    if lacking:
        print(f"Spin is left out: there is no {' and no '.join(lacking)}", file=sys.stderr)
    else:
        yield from by_spin(managers)


def main() -> int:
    """Run all, print a table; whether all found the same."""
    parser = argparse.ArgumentParser(description="Two-phase commit in every explorer that is installed.")
    parser.add_argument("--managers", type=int, default=8, help="resource managers (default 8)")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    asked = parser.parse_args()
    found: list[Run] = []
    for run in runs(asked.managers):
        rates = f"{run.states / run.seconds:>11,.0f} states/s {run.states / run.used:>11,.0f} a processor second"
        ready = f", after {run.before:.1f} s to compile" if run.before else ""
        told = f"{run.states:>12,} states {run.generated:>14,} generated {run.seconds:9.2f} s"
        print(f"{run.explorer:24}{told} {rates}{ready}", flush=True)
        found.append(run)
    if asked.json:
        figures: list[dict[str, Any]] = [asdict(run) for run in found]
        asked.json.write_text(json.dumps({"managers": asked.managers, "runs": figures}, indent=1) + "\n")
    return int(len({run.states for run in found}) > 1)


if __name__ == "__main__":
    sys.exit(main())
