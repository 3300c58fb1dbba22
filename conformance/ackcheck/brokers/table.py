"""Brokers side by side: what each configuration was seen to do under each fault, made of the JSON of real runs alone.

>>> told = {"broker": "redis", "title": "Redis", "version": "7", "configuration": "always", "claims": "disk",
...     "grade": "power", "seed": 1, "profile": "quick", "repaired": 0,
...     "faults": {"power loss": {"tried": 5, "seen": 5, "promised": True, "outcomes": {}},
...                "failed sync": {"tried": 2, "seen": 1, "promised": True, "outcomes": {"cannot open": 1}}}}
>>> [row] = rows_of([told])
>>> print(*row.cells, sep=" | ")
- | - | - | kept (5 in 1 run) | - | **cannot open** in 1 of 1 run (1) | - | -
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from ackcheck.brokers.expectation import UNPROMISED, Configuration, Outcome
from ackcheck.brokers.profile import names, read_profile
from ackcheck.hits import Fault
from ackcheck.reports.style import page

COLUMNS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "restart": (("process", "power", "disk"), "clean restart"),
    "SIGKILL": (("process", "power", "disk"), "process crash"),
    "SIGKILL while syncs are held": (("process", "disk"), "stalled sync"),
    "power loss": (("power",), "power loss"),
    "power loss while syncs are held": (("power",), "stalled sync"),
    "disk full: failed sync": (("power",), "failed sync"),
    "power cut, many images": (("disk",), "power loss"),
    "refused writes or flush": (("disk",), "failed sync"),
}
"""The columns: by which grades, and which fault in them."""

HEAD: Final = ("configuration", "claims", "runs as expected")
"""The columns before them."""

BEGIN, END = "<!-- made by ackcheck brokertable: begin -->", "<!-- made by ackcheck brokertable: end -->"
MOST_BYTES = 16 << 20
"""Bytes of a file of runs that are read."""

KEPT_OF_A_RUN = (
    *("broker", "title", "version", "configuration", "settings", "claims", "grade", "seed", "profile", "faults"),
    *("repaired", "surprises", "not_judged", "failed", "command", "began", "machine"),
)


class BadRuns(ValueError):
    """A file that holds no runs of brokers; the message says what to give."""


@frozen
class Row:
    """One configuration of one version of a broker, over all of its runs."""

    broker: str
    title: str
    version: str
    configuration: str
    claims: str
    runs: Sequence[Mapping[str, Any]]

    @property
    def cells(self) -> list[str]:
        """What is said of each fault."""
        return [self._cell(grades, fault) for grades, fault in COLUMNS.values()]

    def _cell(self, grades: Sequence[str], fault: str) -> str:
        told = [one["faults"][fault] for one in self.runs if one["grade"] in grades and fault in one["faults"]]
        seen = sum(one["seen"] for one in told)
        hit = [one for one in told if one["seen"] or one["outcomes"]]
        if not told:
            return "-"
        if not hit:
            return f"not judged (0 of {sum(one['tried'] for one in told)} hit)"
        came: Counter[str] = Counter(outcome for one in hit for outcome in one["outcomes"])
        if came:
            return "; ".join(f"{_shown(what)} in {times} of {_runs(hit)} ({seen})" for what, times in came.items())
        promised = any(one["promised"] for one in hit)
        return f"{'kept' if promised else 'nothing promised, nothing seen'} ({seen} in {_runs(hit)})"

    @property
    def as_expected(self) -> str:
        """In how many of its runs came what its profile expects today, no more and no less."""
        judged = [one for one in self.runs if not one.get("failed")]
        if not judged:
            return "not run"
        return f"{sum(not _surprises(one) for one in judged)} of {len(judged)}"

    @property
    def name(self) -> str:
        """How the table calls it."""
        repaired = sum(one["repaired"] for one in self.runs)
        return self.configuration + (f" (repaired {repaired}x)" if repaired else "")


def _surprises(run: Mapping[str, Any]) -> Sequence[str]:
    """Return what was not expected of a run; what it was told then counts where its profile has it no more."""
    configurations = read_profile(run["broker"]).configurations if run["broker"] in names() else ()
    for one in configurations:
        if one.name == run["configuration"]:
            seen = {Fault(fault): told["seen"] for fault, told in run["faults"].items()}
            came = {Fault(fault): set(map(Outcome.read, told["outcomes"])) for fault, told in run["faults"].items()}
            return one.surprises(run["grade"], seen, came)
    return list(run.get("surprises", ()))


def _runs(runs: Sequence[object]) -> str:
    return f"{len(runs)} run{'' if len(runs) == 1 else 's'}"


def _shown(outcome: str) -> str:
    """Return an outcome as the table has it: what breaks a promise stands out."""
    return f"{outcome.removesuffix(UNPROMISED)}\\*" if outcome.endswith(UNPROMISED) else f"**{outcome}**"


def run_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a run that `ackcheck broker --json` has written: all but the verdict."""
    kept = {name: told[name] for name in KEPT_OF_A_RUN if name in told}
    if "kernel" in kept.get("machine", {}):  # what a builder adds to its number says nothing to others
        kept["machine"] = {**kept["machine"], "kernel": str(kept["machine"]["kernel"]).partition("-")[0]}
    return kept


def read_runs(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the runs in files of JSON Lines, or of `ackcheck broker --json`; raises `BadRuns`."""
    runs: list[dict[str, Any]] = []
    for path in paths:
        try:
            if path.stat().st_size > MOST_BYTES:
                raise BadRuns(f"{path} is longer than {MOST_BYTES >> 20} MiB: give a file that `ackcheck broker` wrote")
            text = path.read_text(encoding="utf-8")
            told = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
            runs += [run_of(one) for one in told]
            rows_of(runs)
        except OSError as error:
            raise BadRuns(f"{path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, BadRuns):
                raise
            raise BadRuns(f"{path} holds no runs ({error}): give a file that `ackcheck broker --json` wrote") from error
    return runs


NAMES = ("broker", "title", "version", "configuration", "claims")
"""What tells the rows apart."""


def rows_of(runs: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return a row for each configuration of each version, in the order in which they came."""
    found: dict[tuple[str, str, str, str, str], list[Mapping[str, Any]]] = {}
    for one in runs:
        broker, title, version, configuration, claims = (str(one[name]) for name in NAMES)
        found.setdefault((broker, title, version, configuration, claims), []).append(one)
    rows = [Row(*key, runs=tuple(told)) for key, told in found.items()]
    return [row for row in rows if row.cells]


def of_brokers(runs: Iterable[Mapping[str, Any]]) -> list[list[Row]]:
    """Return the rows of each broker; what its profile has and nobody has run yet is a row that says so."""
    rows, found = rows_of(runs), []
    for broker in dict.fromkeys(row.broker for row in rows):
        of_it = [row for row in rows if row.broker == broker]
        known = read_profile(broker).configurations if broker in names() else ()
        unrun = [one for one in known if one.name not in {row.configuration for row in of_it}]
        found.append([*of_it, *(_not_run(of_it[-1], one) for one in unrun)])
    return found


def _not_run(beside: Row, one: Configuration) -> Row:
    claims = one.claims.value if one.claims else "none"
    return evolve(beside, configuration=one.name, claims=claims, runs=())


def markdown(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables, one a broker, and how they were made."""
    parts = []
    for of_it in of_brokers(runs):
        parts.append(f"### [{of_it[0].title}]({of_it[0].broker}.md)")
        head = [*HEAD, *COLUMNS]
        lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        lines += [f"| {' | '.join([row.name, row.claims, row.as_expected, *row.cells])} |" for row in of_it]
        parts.append("\n".join(lines))
        parts.append("\n".join(f"{sentence}  " for sentence in made(of_it)))
    return "\n\n".join(parts)


def made(rows: Sequence[Row]) -> list[str]:
    """Return how the rows of a broker were made: versions, machine, commands, seeds."""
    runs = [one for row in rows for one in row.runs]
    versions = ", ".join(dict.fromkeys(row.version for row in rows))
    kernels = ", ".join(dict.fromkeys(f"Linux {one['machine']['kernel']}" for one in runs))
    days = sorted({str(one["began"])[:10] for one in runs})
    places = {f"{g}: {p}" for one in runs for g, p in one["machine"]["file_systems"].items()}
    seeds = sorted({int(one["seed"]) for one in runs})
    failed = [one for one in runs if one.get("failed")]
    told = [
        f"{versions}; {kernels}; {', '.join(days)}; {_runs(runs)}, a grade each, seeds {', '.join(map(str, seeds))}",
        f"file systems: {'; '.join(sorted(places))}",
        f"command: `{runs[0]['command']}`, and so for each configuration, grade and seed",
    ]
    alone = "failed by itself and says nothing" if len(failed) == 1 else "failed by themselves and say nothing"
    return told + ([f"{_runs(failed)} {alone}"] if failed else [])


def html(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the same as a page that loads nothing."""
    parts = ["<h1>Real brokers under faults</h1>", f"<p>{escape(LEGEND)}</p>"]
    for of_it in of_brokers(runs):
        head = "".join(f"<th scope=col>{escape(name)}</th>" for name in (*HEAD, *COLUMNS))
        body = "".join(
            f"<tr><th scope=row>{escape(row.name)}</th><td>{escape(row.claims)}</td><td>{row.as_expected}</td>"
            + "".join(f"<td{_mark(cell)}>{escape(_plain(cell))}</td>" for cell in row.cells)
            + "</tr>"
            for row in of_it
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        parts += [f"<h2>{escape(of_it[0].title)}</h2>", f'<div class="wide" tabindex="0">{table}</div>']
        parts += [f'<p class="soft">{escape(sentence)}</p>' for sentence in made(of_it)]
    return page("Real brokers under faults", parts)


LEGEND = (
    "In brackets: how often the fault was seen to hit. Bold: a promise of that configuration is broken; with a star: "
    "it never promised otherwise. A dash: this was not tried, or, of a restart, its close promises nothing. "
    "A run is one grade with one seed; it is as expected if what the profile expects today came, no more and no less. "
    "Some expectations were made wider after these runs were seen: the column says that they are reproduced, not that "
    "they were foreseen."
)


def _plain(cell: str) -> str:
    return cell.replace("**", "").replace("\\*", "*")


def _mark(cell: str) -> str:
    kind = "broken" if "**" in cell else "kept" if cell.startswith("kept") else "not-judged" if "\\*" in cell else ""
    return f' class="{kind}"' if kind else ""


def put_into(text: str, table: str) -> str:
    """Return a page with the table where its marks are; raises `BadRuns` where it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BadRuns(f"the page has no place for the table: write {BEGIN} and {END}, on lines of their own")
    return f"{before}{BEGIN}\n\n{LEGEND}\n\n{table}\n\n{END}{after}"
