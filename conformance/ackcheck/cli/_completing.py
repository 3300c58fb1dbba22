"""What the shell completes: names that are only known once they are looked up, and files.

>>> from click.shell_completion import ShellComplete
>>> @click.command()
... @click.option("--faults", shell_complete=by_commas(lambda: ["sim", "process", "power"]))
... def judge(faults: str) -> None: ...
>>> [one.value for one in ShellComplete(judge, {}, "judge", "_").get_completions(["--faults"], "sim,p")]
['sim,process', 'sim,power']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from ackmodel import RULES, Clause

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def files(_ctx: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Leave it to the shell, which knows the files."""
    return [CompletionItem(begun, type="file")]


def one_of(names: Callable[[], Iterable[str]]) -> Completer:
    """Complete one of these names, which are looked up only when they are asked for."""

    def completed(_ctx: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in names() if name.startswith(begun)]

    return completed


def by_commas(names: Callable[[], Iterable[str]]) -> Completer:
    """Complete the last of several names with commas between them, each once."""

    def completed(_ctx: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
        *before, last = begun.split(",")
        left = [name for name in names() if name.startswith(last) and name not in before]
        return [CompletionItem(",".join([*before, name])) for name in left]

    return completed


def clauses() -> list[str]:
    """Return the names of all clauses."""
    return [clause.value for clause in Clause]


def or_any() -> list[str]:
    """Return the names of all clauses, and `any`."""
    return [*clauses(), "any"]


def without_option() -> Callable[[Decorated], Decorated]:
    """Return the option `--without RULE`."""
    return click.option(
        "--without",
        multiple=True,
        metavar="RULE",
        shell_complete=one_of(lambda: RULES),
        help="Switch a rule of the protocol off; may be repeated.",
    )
