"""`ackcheck explore --interactive`: walk through the model in the terminal, a line a step.

It reads lines and writes lines, so it works over ssh, from a pipe and in a test. In a terminal a line that makes no
sense gets a message and is forgotten; from a pipe it is a usage error, since the lines after it would walk elsewhere.

>>> from ackmodel import Config
>>> walk_in_terminal(Config(), "a command", ["0 pop", "write_checkpoint"], Console(width=100, file=sys.stdout))
... # doctest: +ELLIPSIS, +NORMALIZE_WHITESPACE
a command
0 it begins
...
> write_checkpoint
2 write_checkpoint (message 0)
   store believes  +checkpoint: cached
   page cache      +checkpoint (dirty)
   disk            nothing
   offset          memory 0, file 0, disk 0
next:
  0  deliver (message 0)
  1  begin_sync
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import click
from attrs import evolve, frozen
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from ackcheck.cli._reports import write_text
from ackcheck.signs import clean
from ackexplore.reports.exports import itf
from ackexplore.reports.page import html_page
from ackexplore.reports.show import clause_in_a_line, trace_table
from ackexplore.reports.walking import NoSuchStep, Offer, TooFar, Walk
from ackexplore.values import wording
from ackmodel import RULES, BadConfig, Config, UnknownRule, rule_named

LANES: Final = {"store": "store believes", "cache": "page cache", "disk": "disk", "offset": "offset"}
LEFT: Final = ("cache", "disk", "offset")
PROMPT: Final = "> "

HELP: Final = """\
NUMBER or NAME   take that step; `pop 1` is that of message 1, and `0.0.2` are several
undo             take the last step back
begin            begin again
lead             go on to where a clause breaks, by a shortest way
state            all that the store believes here, and the clauses at stake
way              the steps so far, and their numbers: type them anywhere, or add #NUMBERS to the address of --serve
rules            the rules, and which are off
off RULE         begin again with a rule switched off; on RULE: switched on
save FILE        write the way: .html a page, .json an ITF trace, any other name these lines, for `< FILE`
quit             end (u, b, l, s, w, r, q and ? for help are short for these)"""

SHORT: Final = {
    "u": "undo",
    "b": "begin",
    "l": "lead",
    "s": "state",
    "w": "way",
    "r": "rules",
    "q": "quit",
    "?": "help",
}


class Unknown(ValueError):
    """A line that says nothing here; the message says what would."""


@frozen
class Terminal:
    """What is shown where, the command that began it, and its settings."""

    console: Console
    command: str
    asked: Config

    def told(self, walk: Walk) -> None:
        """Show where a walk has come to, and what may come next."""
        self.console.print(where(walk))
        self.offered(walk)

    def offered(self, walk: Walk) -> None:
        """Show what may come next; of steps of the same name what each leaves."""
        offers = walk.offers
        self.console.print("next:" if offers else "nothing more may happen")
        labels = [offer.label for offer in offers]
        table = Table.grid(padding=(0, 2))
        for offer in offers:
            notes = [Text("a fault", style="red")] if offer.is_fault else []
            if labels.count(offer.label) > 1:
                notes.append(Text(_left(walk, offer)))
            if offer.broken:
                notes.append(Text(f"breaks {', '.join(clause.value for clause in offer.broken)}", style="bold red"))
            table.add_row(f"  {offer.number}", offer.label, Text("; ").join(notes))
        self.console.print(table)


def where(walk: Walk) -> Group:
    """Return the state that a walk has come to, in lanes: of what the store believes only what has changed."""
    codes = walk.codes
    here, before = walk.lanes(codes[-1]), walk.lanes(codes[-2]) if walk.taken else None
    table = Table.grid(padding=(0, 2))
    title = Text(walk.taken[-1].label if walk.taken else "it begins", style="bold")
    for lane, name in LANES.items():
        lines = here[lane]
        if before is not None and lane == "store":
            lines = [line for line in lines if line not in before[lane]]
        new = set(lines) - set(before[lane] if before is not None else lines)
        empty = "as before" if lane == "store" else "nothing"
        shown = [Text(f"+{line}", style="cyan") if line in new else Text(line) for line in lines]
        table.add_row(" ", Text(name, style="dim"), Text(", ").join(shown) if shown else Text(empty, style="dim"))
    for clause in walk.broken:
        table.add_row(" ", Text("broken", style="bold red"), Text(f"{clause.value}: {clause_in_a_line(clause)}"))
    return Group(Text(f"{len(walk.taken)}  ", style="dim").append_text(title), table)


def _left(walk: Walk, offer: Offer) -> str:
    """Return what a step leaves, where another of the same name leaves something else."""
    lanes = walk.lanes(offer.after)
    return "leaves " + "; ".join(f"{LANES[lane]}: {', '.join(lanes[lane]) or 'nothing'}" for lane in LEFT)


def walk_in_terminal(
    config: Config, command: str, lines: Iterable[str], console: Console, *, echo: bool = True
) -> None:
    """Walk as lines say, until they end or one says `quit`; raises `Unknown` at one that says nothing here.

    With `echo` each line is shown as it is read, as a terminal does by itself.
    """
    terminal, walk = Terminal(console, command, config), Walk.of(config)
    console.print(command, style="dim")
    terminal.told(walk)
    for line in lines:
        if echo:
            console.print(f"{PROMPT}{clean(line.rstrip())}")
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words in (["quit"], ["q"]):
            return
        walk = _done(terminal, walk, words)


def walk_here(config: Config, command: str) -> None:
    """Walk as somebody types, or as lines from a pipe or a file say; there a line that says nothing ends it."""
    console = Console(highlight=False, markup=False, emoji=False)  # what is typed is shown as it is
    if sys.stdin.isatty():
        from_keyboard(config, command, console)
        return
    try:
        with click.open_file("-", encoding="utf-8", errors="replace") as lines:
            walk_in_terminal(config, command, lines, console)
    except Unknown as error:
        raise click.UsageError(str(error)) from error


def from_keyboard(config: Config, command: str, console: Console) -> None:
    """Walk as somebody types: what says nothing here gets a message."""
    terminal, walk = Terminal(console, command, config), Walk.of(config)
    console.print(f"{command}    (? for help)", style="dim")
    terminal.told(walk)
    for line in _typed():
        words = line.partition("#")[0].split()
        if words in (["quit"], ["q"]):
            return
        try:
            walk = _done(terminal, walk, words) if words else walk
        except (Unknown, click.ClickException) as error:
            console.print(error.message if isinstance(error, click.ClickException) else str(error), style="yellow")


def _typed() -> Iterator[str]:
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - it gives `input` a history, where Python has it
    try:
        while True:
            yield input(PROMPT)
    except EOFError:
        click.echo()


def _done(terminal: Terminal, walk: Walk, words: list[str]) -> Walk:
    """Do what a line says; return where that leads."""
    name, *rest = words
    name = SHORT.get(name, name)
    if name in COMMANDS:
        wanted, do = COMMANDS[name]
        if len(rest) != wanted:
            raise Unknown(f"write `{name}{' X' * wanted}`: help says what it does" if wanted else f"write {name} alone")
        return do(terminal, walk, *rest)
    after = _stepped(walk, words)
    terminal.told(after)
    return after


def _stepped(walk: Walk, words: list[str]) -> Walk:
    """Take the step, or the steps, that a line asks for: numbers, a name, or a number with the name it must have."""
    first, *rest = words
    try:
        if first[0].isdigit():
            after = walk.along(first)
            if rest and rest != _named(after.taken[-1])[: len(rest)]:
                raise Unknown(
                    f"step {first} is {after.taken[-1].label} here, and not {' '.join(rest)}: these lines are of other "
                    "settings, or of another version of the model"
                )
            return after
        message = rest.pop(0) if rest else None
        if rest or (message is not None and not (message.isascii() and message.isdigit())):
            raise Unknown(f"{' '.join(words)!r:.60} says nothing here: write a step and the number of a message, or ?")
        return walk.take(walk.called(first, None if message is None else int(message)))
    except NoSuchStep as error:
        raise Unknown(f"{error}; ? for help") from error


def _named(offer: Offer) -> list[str]:
    return [offer.action] if offer.message is None else [offer.action, str(offer.message)]


# --- what is no step --------------------------------------------------------------------------------------------------


def _help(terminal: Terminal, walk: Walk) -> Walk:
    terminal.console.print(HELP)
    return walk


def _undo(terminal: Terminal, walk: Walk) -> Walk:
    if not walk.taken:
        raise Unknown("no step was taken yet")
    terminal.told(walk.back())
    return walk.back()


def _begin(terminal: Terminal, walk: Walk) -> Walk:
    terminal.told(walk.begun())
    return walk.begun()


def _lead(terminal: Terminal, walk: Walk) -> Walk:
    try:
        with Console(stderr=True).status("looking"):
            led = walk.led()
    except TooFar as error:
        terminal.console.print(f"{error}: go nearer, or switch a rule off")
        return walk
    if led is None:
        terminal.console.print(_why_not(walk.config))
        return walk
    for steps in range(len(walk.taken) + 1, len(led.taken) + 1):
        terminal.console.print(where(evolve(led, taken=led.taken[:steps])))
    terminal.offered(led)
    return led


def _why_not(config: Config) -> str:
    """Say that nothing can break, and for each rule that is off in which settings it would show."""
    told = ["nothing can break from here"]
    for name in sorted(config.without):
        wanted = {key: value for key, value in RULES[name].shown_by.items() if getattr(config, key) != value}
        if wanted:
            settings = ", ".join(f"{key.replace('_', ' ')} {wording(value)}" for key, value in wanted.items())
            told.append(f"what {name} is for shows with: {settings}")
    if not config.without:
        told.append("`off RULE` switches a rule off, and begins again")
    return "; ".join(told)


def _state(terminal: Terminal, walk: Walk) -> Walk:
    lanes = walk.lanes(walk.here)
    table = Table.grid(padding=(0, 2))
    for lane, name in LANES.items():
        table.add_row(Text(name, style="dim"), ", ".join(lanes[lane]) or "nothing")
    table.add_row(
        Text("at stake", style="dim"), ", ".join(lanes["stake"]) or "nothing: no clause forbids anything here"
    )
    terminal.console.print(table)
    return walk


def _way(terminal: Terminal, walk: Walk) -> Walk:
    if walk.taken:
        terminal.console.print(trace_table(walk.trace))
    terminal.console.print(f"the way: {walk.way}" if walk.taken else "no step was taken yet")
    return walk


def _rules(terminal: Terminal, walk: Walk) -> Walk:
    table = Table.grid(padding=(0, 2))
    for name, rule in RULES.items():
        off = name in walk.config.without
        table.add_row(Text("off" if off else "on", style="red" if off else "dim"), Text(name), Text(rule.says))
    terminal.console.print(table)
    return walk


def _switch(terminal: Terminal, walk: Walk, rule: str, *, on: bool) -> Walk:
    try:
        name = rule_named(rule).name
        without = walk.config.without - {name} if on else walk.config.without | {name}
        begun = Walk.of(evolve(walk.config, rules=without))
    except (UnknownRule, BadConfig) as error:
        raise Unknown(str(error)) from error
    off = ", ".join(sorted(without)) or "none"
    terminal.console.print(f"it begins again; rules switched off: {off}")
    terminal.told(begun)
    return begun


def _off(terminal: Terminal, walk: Walk, rule: str) -> Walk:
    return _switch(terminal, walk, rule, on=False)


def _on(terminal: Terminal, walk: Walk, rule: str) -> Walk:
    return _switch(terminal, walk, rule, on=True)


def _save(terminal: Terminal, walk: Walk, where_to: str) -> Walk:
    if not walk.taken:
        raise Unknown("no step was taken yet: there is no way to save")
    place = Path(where_to)
    off = [f"switched off: {name}: {RULES[name].says}" for name in sorted(walk.config.without)]
    if place.suffix == ".html":
        write_text(place, html_page(walk.trace, [terminal.command, *off, f"the way: {walk.way}"]))
    elif place.suffix == ".json":
        write_text(place, json.dumps(itf(walk.trace), indent=1) + "\n")
    else:
        switched = [f"off {name}" for name in sorted(walk.config.without - terminal.asked.without)]
        switched += [f"on {name}" for name in sorted(terminal.asked.without - walk.config.without)]
        steps = [f"{offer.number} {' '.join(_named(offer))}" for offer in walk.taken]
        write_text(place, "\n".join([f"# {terminal.command}", *switched, *steps]) + "\n")
    terminal.console.print(f"written to {place}")
    return walk


COMMANDS: Final[dict[str, tuple[int, Callable[..., Walk]]]] = {
    "help": (0, _help),
    "undo": (0, _undo),
    "begin": (0, _begin),
    "lead": (0, _lead),
    "state": (0, _state),
    "way": (0, _way),
    "rules": (0, _rules),
    "off": (1, _off),
    "on": (1, _on),
    "save": (1, _save),
}
"""What a line may say that is no step, and how many words come after it."""
