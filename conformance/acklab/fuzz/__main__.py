"""`python -m acklab.fuzz --seed N --seconds S`: fuzz recovery with Atheris until time is up, or something breaks."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import click

from acklab.fuzz.missing import AtherisMissing

TELL_EVERY = 256
"""Inputs after which what was seen is written: libFuzzer ends the process without a word to Python."""


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="libFuzzer's seed; 0 is one of the clock's.")
@click.option("--seconds", type=int, default=60, show_default=True, help="How long.")
@click.option("--told", type=click.Path(dir_okay=False, path_type=Path), help="Write what was seen, as JSON.")
def main(seed: int, seconds: int, told: Path | None) -> None:
    """Fuzz the recovery of the reference store. Exit code 0: nothing broke; 77, libFuzzer's: something did."""
    try:
        import atheris
    except ModuleNotFoundError as error:
        raise click.UsageError(str(AtherisMissing())) from error

    with atheris.instrument_imports(include=["ackstore"]):
        from acklab.fuzz import mutate, runner

    seen: Counter[str] = Counter()
    broke: list[str] = []

    def one(data: bytes) -> None:
        try:
            seen[runner.checked(data)] += 1
        except AssertionError as wrong:
            broke.append(str(wrong))
            tell()
            raise
        if seen.total() % TELL_EVERY == 0:
            tell()

    def tell() -> None:
        if told is not None:
            report = {"seed": seed, "seen": dict(sorted(seen.items())), "broke": "".join(broke)}
            told.write_text(json.dumps(report), encoding="utf-8")

    mutate.seeds()
    options = [f"-seed={seed}", f"-max_total_time={seconds}", f"-max_len={runner.LONGEST}", "-timeout=30"]
    atheris.Setup([sys.argv[0], *options, "-rss_limit_mb=1000", "-print_final_stats=1"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
