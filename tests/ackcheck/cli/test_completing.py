"""What the shell completes: every value that is known before it is typed, and files where a file is meant."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.shell_completion import ShellComplete

from ackcheck.cli import main

FREE = {"--memory", "--cluster", "--name", "--version", "--set"}
"""Options whose values nobody can know: an amount, an address, a name of one's own, a setting of some broker."""


def complete(*words: str) -> list[str]:
    """Return what the shell offers for the last word."""
    *before, begun = words
    return [one.value for one in ShellComplete(main, {}, "ackcheck", "_X").get_completions(before, begun)]


def free_texts(command: click.Command) -> Iterator[tuple[str, click.Parameter]]:
    """Yield every parameter, of a command and those in it, whose value is a text that click knows nothing of."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from free_texts(below)
        return
    for one in command.params:
        if one.type is click.STRING and one.opts[0] not in FREE:
            yield f"{command.name} {one.opts[0]}", one


def test_every_value_that_can_be_known_is_completed() -> None:
    found = dict(free_texts(main))
    assert len(found) > 40
    silent = [name for name, one in found.items() if not one.shell_complete(click.Context(main), "")]
    assert not silent


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["wa"], ["walks"]),
        (["run", "--val"], ["--validate"]),
        (["trace", "--format", "n"], ["nats"]),
        (["spec", "flush-w"], ["flush-when-idle"]),
        (["spec", "proto"], ["protocol"]),
        (["bugs", "retry-fsync-after-eio-r"], ["retry-fsync-after-eio-reports-success"]),
        (["bugs", "--clause", "no-l"], ["no-limbo"]),
        (["explore", "--without", "rewrite-after-f"], ["rewrite-after-failure"]),
        (["explore", "--clause", "an"], ["any"]),
        (["run", "--faults", "proc"], ["process"]),
        (["run", "--faults", "sim,po"], ["sim,power"]),
        (["run", "--faults", "sim,si"], []),
        (["run", "--promise", "barr"], ["barrier="]),
        (["broker", "redi"], ["redis"]),
        (["broker", "redis", "--faults", "proc"], ["process"]),
    ],
)
def test_names_are_completed(words: list[str], found: list[str]) -> None:
    assert complete(*words) == found


def test_a_configuration_is_completed_for_the_broker_that_was_named() -> None:
    of_one, of_all = complete("broker", "redis", "--configuration", ""), complete("broker", "--configuration", "")
    assert of_one
    assert set(of_one) < set(of_all)
