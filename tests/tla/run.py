"""The model beside its twin in TLA+, one configuration after the other: equal counts, or where they differ.

    make twin                               # the small ones, every rule, whole runs, the large ones: some minutes
    make twin ARGS="--only rules"           # small, rules, runs or large
    make twin ARGS="--random 50 --seed 7"   # configurations chosen by chance; the seed is printed, and repeats them

Needs Java and the extra `tla`. Ends with 1 if any count differs, with 3 if TLC cannot run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from random import SystemRandom

import click
from attrs import asdict, fields
from tests.tla.cases import LARGE, SMALL, STALLING, at_random, without

from ackexplore import Options, TooManyStates, explore
from ackmodel import RULES, Config
from twin import Counts, by_ackexplore, by_tlc, missing
from twin_runs import agrees, stalled

MOST_AT_RANDOM = 30_000
"""States of a configuration that chance has chosen: larger ones are passed over."""
MOST_IN_RUNS = 2_500
"""States of a configuration whose whole runs are looked at."""


def chosen(only: str | None) -> Iterator[tuple[str, Config]]:
    """Yield the configurations of the lists, by name."""
    lists: Mapping[str, Mapping[str, Config]] = {
        "small": SMALL,
        "rules": {f"without {rule}": without(rule) for rule in RULES},
        "large": LARGE,
    }
    for name, configs in lists.items():
        if only in (None, name):
            yield from configs.items()


def with_whole_runs(only: str | None) -> Iterator[tuple[str, Config]]:
    """Yield the configurations of which the whole runs are looked at, by name."""
    if only in (None, "runs"):
        yield from ((name, config) for name, config in SMALL.items() if fits(config, MOST_IN_RUNS))
        yield from ((f"without {rule}", without(rule)) for rule in STALLING)


def by_chance(count: int, seed: int) -> Iterator[tuple[str, Config]]:
    """Yield configurations that chance has chosen, and that are not too large."""
    yield from islice(
        ((settings_of(config), config) for config in at_random(seed) if fits(config, MOST_AT_RANDOM)), count
    )


def fits(config: Config, most: int) -> bool:
    """Return whether a configuration has few enough states."""
    try:
        explore(config, Options(max_states=most))
    except TooManyStates:
        return False
    return True


def settings_of(config: Config) -> str:
    """Return the settings that are not the ordinary ones, in a line."""
    ordinary = Config()
    return " ".join(
        f"{item.name}={sorted(mine) if isinstance(mine, frozenset) else getattr(mine, 'value', mine)}"
        for item in fields(Config)
        if (mine := getattr(config, item.name)) != getattr(ordinary, item.name)
    )


def differences(ours: Counts, theirs: Counts) -> Iterator[str]:
    """Yield a line for each count that differs."""
    other = asdict(theirs)
    for name, count in asdict(ours).items():
        if isinstance(count, dict):
            for key in sorted({*count, *other[name]}):
                if count.get(key) != other[name].get(key):
                    yield f"{name} {key}: ackexplore {count.get(key, 0)}, TLC {other[name].get(key, 0)}"
        elif count != other[name]:
            yield f"{name}: ackexplore {count}, TLC {other[name]}"


@click.command(help=__doc__)
@click.option("--only", type=click.Choice(["small", "rules", "runs", "large"]), help="One of the lists.")
@click.option("--random", "count", type=click.IntRange(min=1), help="This many, chosen by chance instead.")
@click.option("--seed", type=int, help="Which ones; printed when it is not given.")
def main(only: str | None, count: int | None, seed: int | None) -> None:
    """Compare, and say each count that differs."""
    if lacking := missing():
        click.echo(lacking, err=True)
        sys.exit(3)
    if count and seed is None:
        seed = SystemRandom().randrange(10**6)
    if count:
        click.echo(f"seed {seed}")
    some = list(by_chance(count, seed or 0)) if count else list(chosen(only))
    whole = [one for one in some if fits(one[1], MOST_IN_RUNS)] if count else list(with_whole_runs(only))
    equal = [in_states(name, config) for name, config in some]
    equal += [in_runs(name, config) for name, config in whole]
    click.echo(f"{len(equal)} comparisons, {equal.count(False)} different")
    sys.exit(not all(equal))


def in_states(name: str, config: Config) -> bool:
    """Compare what is counted in one configuration, and say how it ended."""
    ours, began = by_ackexplore(config), time.monotonic()
    lines = list(differences(ours, by_tlc(config)))
    seconds = time.monotonic() - began
    clauses = ", ".join(ours.broken) or "no clause broken"
    click.echo(f"{'DIFFERENT' if lines else 'equal'}: {name}: {ours.states} states, {ours.edges} edges, {clauses}")
    click.echo(f"    TLC took {seconds:.1f} s" + "".join(f"\n    {line}" for line in lines))
    return not lines


def in_runs(name: str, config: Config) -> bool:
    """Compare which clauses a fair run may never come to keep, and say how it ended."""
    clauses = stalled(config)
    same = agrees(config, clauses)
    click.echo(f"{'equal' if same else 'DIFFERENT'}: whole runs, {name}: {', '.join(sorted(clauses)) or 'none stalls'}")
    return same


if __name__ == "__main__":
    main()
