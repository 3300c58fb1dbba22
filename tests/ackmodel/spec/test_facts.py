"""What is known of each step: it is asked for at import, it is right, and everybody looks there for it."""

import ast
import inspect
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest

import ackmodel
from ackmodel import RULES, BadStep, Config, Move, State, moves
from ackmodel.spec import environment, invariants, protocol
from ackmodel.spec.catalogue import BROADCAST, LOCAL, STEPS, catalogued
from ackmodel.spec.facts import By, Facts, Kind, step

EVERYTHING = Config(
    messages=2,
    deliveries=2,
    renewals=1,
    releases=1,
    process_crashes=1,
    power_losses=1,
    restarts=1,
    resets=1,
    sync_failures=1,
    sync_timeouts=1,
    write_failures=1,
    limit=1,
    level="memory",
    merge_buffer=True,
    dead_letters=True,
    compaction=True,
    careless=True,
)


def reached(config: Config, most: int) -> Iterator[State]:
    """Yield the states that come first, breadth-first."""
    seen, level = {config.initial()}, [config.initial()]
    while level and len(seen) < most:
        yield from level
        found = dict.fromkeys(move.after for state in level for move in moves(config, state))
        level = [state for state in found if state not in seen]
        seen.update(level)


def wrongly_ruled_out(config: Config, state: State) -> set[str]:
    """Return the steps that are said to be impossible in a configuration, and are possible all the same."""
    shared, messages = state
    ruled_out = {name for name, facts in STEPS.items() if facts.impossible(config)}
    local = {
        rule.__name__ for rule in LOCAL for message in messages if shared.up and any(rule(config, shared, message))
    }
    casts = {
        rule.__name__
        for rule in BROADCAST
        for cast in rule(config, shared)
        if any(map(cast.some, messages)) and all(map(cast.outcomes, messages))
    }
    return ruled_out & (local | casts)


POORER = [
    Config(),
    Config(level="memory", careless=True, dead_letters=True),
    Config(limit=1, write_failures=1),
    Config(sync_error="each", sync_failures=1, power_losses=1),
    Config(sync_error="late", sync_failures=1, process_crashes=1),
    Config(sync_error="late", sync_failures=1, resets=1),
    Config(resets=1),
    Config(sync_timeouts=1, renewals=1, level="disk"),
    Config(releases=1, deliveries=2, compaction=True),
    *(Config().dropping(rule) for rule in RULES.values()),
]


def test_everything_has_every_step_but_those_of_other_file_systems() -> None:
    assert {name for name, facts in STEPS.items() if facts.impossible(EVERYTHING)} == {
        "sync_lies",
        "reset_lies",
        "sync_fails_again",
    }
    assert STEPS["sync_lies"].impossible(Config(sync_failures=1, sync_error="late")) is None


@pytest.mark.no_cover
@pytest.mark.parametrize("config", POORER, ids=lambda config: ",".join(sorted(config.without)) or "rules kept")
def test_what_is_said_to_be_impossible_is(config: Config) -> None:
    for state in reached(config, most=2000):
        assert wrongly_ruled_out(config, state) == set()


def test_a_need_that_is_wrong_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(deliveries=2)
    assert any(wrongly_ruled_out(config, state) for state in reached(config, most=100)) is False
    monkeypatch.setattr(Facts, "impossible", lambda facts, _: facts.name == "write_ack")
    assert any(wrongly_ruled_out(config, state) == {"write_ack"} for state in reached(config, most=100))


def test_what_the_store_does_stands_in_the_protocol_and_nothing_else() -> None:
    store = {name for name, facts in STEPS.items() if facts.by is By.STORE}
    assert store == {rule.__name__ for rules in (protocol.LOCAL, protocol.BROADCAST) for rule in rules}


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for name, module in vars(package).items():
        if isinstance(module, ModuleType) and module.__name__ == f"{package.__name__}.{name}":
            yield module


@pytest.mark.parametrize("package", [protocol, environment])
def test_every_function_that_yields_steps_is_one(package: ModuleType) -> None:
    listed = {*package.LOCAL, *package.BROADCAST}
    yielding = {
        function
        for module in modules(package)
        for function in vars(module).values()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and function.__annotations__["return"] in ("Iterator[Step]", "Iterator[Broadcast]")
    }
    assert yielding == listed


@pytest.mark.parametrize("config", [EVERYTHING, Config(sync_failures=1, sync_error="each")])
def test_a_step_is_named_as_its_function(config: Config) -> None:
    shared_and_messages = islice(reached(config, most=300), 300)
    for shared, messages in shared_and_messages:
        for rule in LOCAL:
            actions = {made.action for message in messages for made in rule(config, shared, message)}
            assert actions <= {rule.__name__}


def test_an_invariant_names_only_steps_that_there_are() -> None:
    tree = ast.parse(inspect.getsource(invariants))
    compared = {
        side.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Attribute) and node.left.attr == "action"
        for side in node.comparators
        if isinstance(side, ast.Constant)
    }
    assert compared >= {"pop", "recover", "power_loss"}
    assert compared <= set(STEPS)


def test_what_fails_answers_and_is_taken_up() -> None:
    assert {
        "fail_checkpoint_write",
        "fail_ack_write",
        "fail_renewal_write",
        "sync_fails",
        "sync_fails_again",
        "sync_times_out",
        "late_sync_fails",
        "reset_fails",
    } == invariants.FAILURES
    assert {"deliver", "answer_ack", "answer_renewal", "answer_release"} == invariants.ANSWERS
    assert {"pop", "ask_ack", "ask_renewal", "release"} == invariants.TAKING_UP
    assert {"late_sync_ok", "late_sync_fails"} == invariants.LATE


def nothing(config: object, shared: object, message: object) -> Iterator[Move]:
    yield from ()


@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        ({"kind": Kind.WRITE_FAILED}, "say about which record"),
        ({"kind": Kind.ANSWERED_OK, "client": "told"}, "say about which record"),
        ({"kind": Kind.TRIED}, "say what its consumer does"),
        ({"kind": Kind.WORK, "record": "cheque"}, "the records are checkpoint, earlier, ack, renewal"),
    ],
)
def test_facts_that_belong_together_are_asked_for(facts: dict[str, object], missing: str) -> None:
    with pytest.raises(BadStep, match=missing):
        step(by=By.STORE, fair=False, needs=(), **facts)(nothing)  # type: ignore[arg-type]


def test_a_step_without_facts_has_no_place() -> None:
    with pytest.raises(BadStep, match=r"'nothing' has no facts: put @step\(by=\.\.\., kind=\.\.\., fair"):
        catalogued([*LOCAL, *BROADCAST, nothing])
    with pytest.raises(BadStep, match=r"'recover' is in no list: add it to LOCAL or BROADCAST"):
        catalogued([*LOCAL, *BROADCAST[:5], *BROADCAST[6:]])


ADDED = """

{decorator}def tears(config: Config, shared: Shared, message: Message) -> Iterator[Step]:
    \"\"\"A write is torn.\"\"\"
    yield Step("tears", shared, message)
"""


@pytest.mark.parametrize(
    ("decorator", "listed", "error"),
    [
        ("", True, "BadStep: step 'tears' has no facts"),
        ("@step()\n", True, "missing 4 required keyword-only arguments: 'by', 'kind', 'fair', and 'needs'"),
        ("@step(by=By.DISK, kind=Kind.WRITE_FAILED, fair=False, needs=())\n", True, "say about which record"),
        ("@step(by=By.DISK, kind=Kind.WORK, fair=False, needs=())\n", False, "BadStep: step 'tears' is in no list"),
    ],
)
def test_a_step_without_its_facts_is_an_error_at_import(
    tmp_path: Path, decorator: str, listed: bool, error: str
) -> None:
    copy = tmp_path / "changed"
    shutil.copytree(Path(ackmodel.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "spec/environment/writes.py").open("a", encoding="utf-8") as writes:
        writes.write(ADDED.format(decorator=decorator))
    if listed:
        index = copy / "spec/environment/__init__.py"
        text = index.read_text(encoding="utf-8")
        text = text.replace("import fail_ack_write, ", "import tears, fail_ack_write, ")
        index.write_text(
            text.replace("    fail_renewal_write,\n", "    fail_renewal_write,\n    tears,\n"), encoding="utf-8"
        )
    ran = subprocess.run(
        [sys.executable, "-c", "import changed"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert error in ran.stderr
