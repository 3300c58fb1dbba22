"""How the states of a configuration, and the seconds to explore them, grow with each of its settings.

python tests/benchmarks/growth.py            # rewrites specs/growth.md and specs/growth.svg
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from ackexplore import Options, TooManyStates
from ackexplore.table.engine import explore_table
from ackmodel import Config

SPECS = Path(__file__).parents[2] / "specs"
MOST = 20_000_000
AXES: dict[str, tuple[int, ...]] = {
    "messages": (1, 2, 3, 4),
    "deliveries": (1, 2, 3, 4),
    "process_crashes": (0, 1, 2, 3),
    "power_losses": (0, 1, 2, 3),
    "sync_failures": (0, 1, 2, 3),
    "sync_timeouts": (0, 1, 2, 3),
    "write_failures": (0, 1, 2, 3),
    "renewals": (0, 1, 2),
    "restarts": (0, 1, 2, 3),
    "resets": (0, 1, 2, 3),
}
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#000000", "#ee8866", "#44bb99")
WIDTH, HEIGHT, LEFT, TOP, DECADE = 880, 470, 90, 20, 55


@frozen
class Point:
    """One configuration explored: the value on its axis, states and seconds; `whole` unless there were too many."""

    value: int
    states: int
    edges: int
    seconds: float
    calls: int
    whole: bool


def measured(config: Config, value: int) -> Point:
    """Explore one configuration."""
    began = time.perf_counter()
    try:
        result, whole = explore_table(config, Options(max_states=MOST)), True
    except TooManyStates as error:
        result, whole = error.result, False
    seconds = time.perf_counter() - began
    return Point(value, result.states, result.edges, seconds, result.model_calls, whole)


def along(axis: str) -> Iterator[Point]:
    """Vary one setting of two messages (or the messages), until there are too many states."""
    for value in AXES[axis]:
        point = measured(Config.of({"messages": 2, axis: value}), value)
        yield point
        if not point.whole:
            return


def table(points: dict[str, list[Point]]) -> str:
    """The figures as Markdown."""
    lines = [
        "# How the state space grows",
        "",
        "Two messages, one delivery and no fault, and one setting varied at a time; explored to the end by the table",
        f"engine. More than {MOST:,} states were not counted further. Seconds include asking the model, and are of one",
        "machine with two processors, in use for other things at the time: read them for the order of magnitude. The",
        "counts are exact. Made by `python tests/benchmarks/growth.py`.",
        "",
        "![States by setting](growth.svg)",
        "",
        "| setting | value | states | times the one before | transitions | seconds | model calls |",
        "|---|---|---|---|---|---|---|",
    ]
    for axis, own in points.items():
        before = 0
        for point in own:
            more = f"{point.states / before:.1f}" if before else ""
            states = f"{point.states:,}" if point.whole else f"more than {MOST:,}"
            if not point.whole:
                more = ""
            lines.append(
                f"| `{axis}` | {point.value} | {states} | {more} | {point.edges:,} | {point.seconds:.2f} | "
                f"{point.calls:,} |"
            )
            before = point.states
    return "\n".join(lines) + "\n"


def plot(points: dict[str, list[Point]]) -> str:
    """The states as an SVG: a line a setting, the states on a logarithmic scale."""

    def height(states: float) -> float:
        return HEIGHT - 40 - DECADE * math.log10(states)

    steps = max(map(len, points.values())) - 1
    across = (WIDTH - LEFT - 200) / steps
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for decade in range(8):
        y = height(10**decade)
        parts.append(f'<path d="M{LEFT} {y:.0f}H{WIDTH - 190}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{10**decade:,}</text>')
    for step in range(steps + 1):
        x = LEFT + step * across
        parts.append(
            f'<text x="{x:.0f}" y="{HEIGHT - 12}" text-anchor="middle">least {f"+ {step}" if step else ""}</text>'
        )
    for number, (axis, own) in enumerate(points.items()):
        colour = COLOURS[number]
        shown = [(LEFT + step * across, height(point.states)) for step, point in enumerate(own)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in shown)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in shown]
        y = TOP + 22 * number + 10
        parts.append(f'<path d="M{WIDTH - 170} {y - 4}h24" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{WIDTH - 138}" y="{y}">{axis}</text>')
    return "\n".join([*parts, "</svg>", ""])


def write(folder: Path = SPECS) -> None:
    """Measure everything, and write both files."""
    explore_table(Config(messages=2))
    points = {}
    for axis in AXES:
        points[axis] = list(along(axis))
        print(axis, [(point.value, point.states, round(point.seconds, 1)) for point in points[axis]], flush=True)
    (folder / "growth.md").write_text(table(points), encoding="utf-8")
    (folder / "growth.svg").write_text(plot(points), encoding="utf-8")


if __name__ == "__main__":
    write()
