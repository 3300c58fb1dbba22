"""`ackcheck explore --interactive`: lines in, lines out; what says nothing gets a message."""

import builtins
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from ackcheck.cli._walking import COMMANDS, HELP, SHORT, from_keyboard
from ackcheck.cli.explore import explore
from ackmodel import Config

BROKEN = ("--sync-failures", "1", "--without", "rewrite-after-failure")
WAY = "0.0.1.2.0.0.0"


def walked(lines: str, *options: str) -> Result:
    return CliRunner().invoke(explore, ["--interactive", *options], input=lines)


def test_steps_by_number_and_by_name_with_belief_and_truth_in_lanes() -> None:
    ran = walked("0\nwrite_checkpoint\nbegin_sync # a remark\n\nsync_fails\n", *BROKEN)
    assert ran.exit_code == 0, ran.output
    assert "> sync_fails\n4  sync_fails\n" in ran.output
    last = ran.output[ran.output.index("4  sync_fails") :]
    assert "+mode: sync" in last
    assert "+checkpoint (phantom)" in last
    assert "0  retry_checkpoint (message 0)" in last


def test_it_is_led_to_where_a_clause_breaks_and_says_which() -> None:
    ran = walked("lead\nway\n", *BROKEN)
    assert "flush-is-real: What is FLUSHED is on the disk." in ran.output
    assert f"the way: {WAY}" in ran.output
    assert walked(f"{WAY}\n", *BROKEN).output.count("flush-is-real: What is FLUSHED") == 1


def test_a_rule_is_switched_off_and_on_and_it_begins_again() -> None:
    ran = walked("0\noff rewrite-after-failure\nlead\non rewrite-after-failure\nlead\n", "--sync-failures", "1")
    assert ran.exit_code == 0, ran.output
    first, second = ran.output.split("rules switched off: none")
    assert "flush-is-real: What" in first
    assert "nothing can break from here" in second
    assert "off  rewrite-after-failure" in walked("off rewrite-after-failure\nrules\n").output


def test_a_rule_that_is_off_and_shows_only_with_other_settings_says_which() -> None:
    ran = walked("lead\n", "--without", "rewrite-after-failure")
    assert "what rewrite-after-failure is for shows with: sync failures 1" in " ".join(ran.output.split())


def test_undo_begin_and_what_is_at_stake() -> None:
    ran = walked("0\n0\nu\nstate\nb\nstate\n")
    assert ran.exit_code == 0, ran.output
    assert ran.output.count("1  pop (message 0)") == 2
    assert "checkpoint: pending, earlier: none" in " ".join(ran.output.split())
    assert "nothing: no clause forbids anything here" in ran.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("7", "there is no step '7' here: the one there is has number 0"),
        ("fly", "there is no step 'fly' here"),
        ("0 deliver", "step 0 is pop (message 0) here, and not deliver"),
        ("pop x", "'pop x' says nothing here"),
        ("pop 0 1", "'pop 0 1' says nothing here"),
        ("undo", "no step was taken yet"),
        ("undo 2", "write undo alone"),
        ("off", "write `off X`"),
        ("\x1b[31m[bold]", "there is no step '\\x1b[31m[bold]' here"),
        ("off no-such-rule", "no rule 'no-such-rule'"),
        ("save x.txt", "no step was taken yet"),
    ],
)
def test_from_a_pipe_a_line_that_says_nothing_ends_it(line: str, said: str) -> None:
    ran = walked(f"{line}\n0\n")
    assert ran.exit_code == 2
    assert said in ran.stderr
    assert "1  pop" not in ran.stdout
    assert "\x1b" not in ran.output


def test_in_a_terminal_it_gets_a_message_and_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: Iterator[str] = iter(["fly", "save x.txt", "0", "save no/such/folder/x.txt", "?", "q", "0"])
    monkeypatch.setattr(builtins, "input", lambda _: next(lines))
    from_keyboard(Config(), "a test", Console(width=200))
    told = capsys.readouterr().out
    assert "there is no step 'fly' here" in told
    assert "no/such/folder/x.txt could not be written" in told
    assert "1  pop (message 0)" in told
    assert HELP.splitlines()[0] in told
    assert next(lines) == "0"  # nothing is read after quit


def test_the_end_of_the_input_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def ended(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(builtins, "input", ended)
    from_keyboard(Config(), "a test", Console())
    assert "0  pop (message 0)" in capsys.readouterr().out


def test_a_way_that_was_saved_is_walked_again(tmp_path: Path) -> None:
    lines, page, trace = tmp_path / "way.txt", tmp_path / "way.html", tmp_path / "way.json"
    ran = walked(f"off rewrite-after-failure\nlead\nsave {lines}\nsave {page}\nsave {trace}\n", "--sync-failures", "1")
    assert ran.exit_code == 0, ran.output
    again = walked(lines.read_text(), "--sync-failures", "1")
    assert again.exit_code == 0, again.output
    assert "flush-is-real: What is FLUSHED" in again.output
    assert "7 steps" in page.read_text()
    assert f"the way: {WAY}" in page.read_text()
    assert [state["action"] for state in json.loads(trace.read_text())["states"]][-1] == "sync_ok"
    assert walked(lines.read_text()).exit_code == 2  # without a failed sync in the budget there is no such way


def test_a_rule_that_was_switched_on_again_is_so_in_what_is_saved(tmp_path: Path) -> None:
    walked(f"on rewrite-after-failure\n0\nsave {tmp_path / 'way.txt'}\n", *BROKEN)
    assert (tmp_path / "way.txt").read_text().splitlines()[1:] == ["on rewrite-after-failure", "0 pop 0"]


def test_steps_of_one_name_say_what_each_leaves() -> None:
    ran = walked("0\nwrite_checkpoint\n", "--power-losses", "1")
    last = " ".join(ran.output[ran.output.index("2  write_checkpoint") :].split())
    assert "leaves page cache: nothing; disk: checkpoint;" in last
    assert "leaves page cache: nothing; disk: nothing;" in last


def test_help_names_every_command() -> None:
    assert set(SHORT.values()) - {"quit"} < set(COMMANDS)
    assert all(name in HELP for name in COMMANDS)


def test_what_says_nothing_beside_it_is_refused() -> None:
    for options in (["--liveness"], ["--json", "-"], ["--serve"], ["--engine", "table"], ["--symmetric"]):
        ran = walked("", *options)
        assert ran.exit_code == 2, options
        assert "says nothing beside" in ran.stderr, options
