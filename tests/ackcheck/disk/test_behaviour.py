"""What file systems do is pinned for the kernel that `specs/filesystems.json` was made on, and skipped elsewhere."""

import json
import platform
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner

from ackcheck.cli.disk import disk, steps_without
from ackcheck.disk.available import missing
from ackcheck.disk.behaviour import VARIANTS, Case, Retries, Row, cases, meaning_of, probe, retries
from ackcheck.disk.behaviour.meaning import Meaning
from ackcheck.disk.behaviour.report import from_json, told

SPECS = Path(__file__).resolve().parents[3] / "specs"
PROFILE = json.loads((SPECS / "filesystems.json").read_text(encoding="utf-8"))
PINNED = {row.case: row for row in from_json(PROFILE)}
SERIES = ".".join(PROFILE["kernel"].split(".")[:2])
RETRIED = [Retries(**one) for one in PROFILE["retries"]]
SAMPLE = [
    Case("ext4", "append", "data", "nothing"),
    Case("ext4", "append", "data", "in place"),
    Case("ext4", "append", "data", "in part"),
    Case("ext4", "mmap", "data", "in place"),
    Case("ext4", "append", "flush", "nothing"),
    Case("ext4 dioread_lock", "append", "data", "in place"),
    Case("ext4-journal", "overwrite", "data", "nothing"),
    Case("xfs", "append", "data", "in place"),
    Case("xfs", "append", "every write", "nothing"),
    Case("btrfs", "append", "data", "in place"),
]


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: f"{case.filesystem}-{case.kind}-{case.fails}-{case.then}")
def test_file_system_does_what_is_written_down(case: Case) -> None:
    if not platform.release().startswith(f"{SERIES}."):
        pytest.skip(f"the profile was made on Linux {SERIES}; make one with `ackcheck disk --profile`")
    if reason := missing(case.filesystem.partition(" ")[0]):
        pytest.skip(reason)
    assert probe(case) == PINNED[case]


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
@pytest.mark.parametrize("pinned", RETRIED, ids=lambda one: one.tries)
def test_xfs_tries_again_as_long_as_it_is_told(pinned: Retries) -> None:
    if reason := missing("xfs"):
        pytest.skip(reason)
    tries = None if pinned.tries == "as it is" else int(pinned.tries)
    seen = retries(tries, patience=0.5 if pinned.hung else 60.0)
    assert seen.hits
    assert evolve(seen, hits=pinned.hits, settings=pinned.settings) == pinned


def test_tables_of_the_specs_are_those_of_the_profile() -> None:
    tables = told(list(PINNED.values()), PROFILE["kernel"], steps_without, RETRIED)
    assert tables in (SPECS / "filesystems.md").read_text(encoding="utf-8")


def test_profile_is_whole_and_every_fault_in_it_was_met() -> None:
    assert list(PINNED) == cases()
    assert {case.filesystem for case in PINNED} == set(VARIANTS)
    assert all(row.hits for row in PINNED.values())


def row(*syncs: str, hits: int = 1, state: str = "works", reads: str = "new", again: str = "", last: str = "") -> Row:
    case = Case("ext4", "append", "data", "in place" if again else "nothing")
    return Row(case, hits, "OK", syncs, "OK", "OK", False, reads, state, "", again, "new", last, last)


@pytest.mark.parametrize(
    ("seen", "meaning"),
    [
        (row("EIO", "OK", "OK"), Meaning("once", "kept", "")),
        (row("EIO", "EIO", "OK", reads="zeros"), Meaning("each", "reverted", "")),
        (row("OK", "EIO", "OK"), Meaning("late", "kept", "")),
        (row("OK", "OK", "OK"), Meaning("never", "kept", "")),
        (row("EIO", "OK", "OK", state="read-only"), Meaning()),
        (row("EIO", "OK", "OK", hits=0), Meaning()),
        (row("EIO", again="OK", last="new"), Meaning("", "kept", "kept")),
        (row("EIO", again="OK", last="zeros"), Meaning("", "kept", "lost")),
        (row("EIO", again="OK", last="that part, zeros"), Meaning("", "kept", "in part")),
        (row("EIO", again="EROFS", last="zeros"), Meaning("", "kept", "")),
    ],
)
def test_row_means_settings_of_the_model(seen: Row, meaning: Meaning) -> None:
    assert meaning_of(seen) == meaning


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "write one of --profile, --reproduce and --mount"),
        (["--profile", "--reproduce"], "write one of --profile, --reproduce and --mount"),
        (["--reproduce", "--json", "x"], "--json goes with --profile"),
        (["--profile", "--filesystem", "ntfs"], "no file system 'ntfs'; there are btrfs"),
    ],
)
def test_command_refuses_what_makes_no_sense(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(disk, arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_command_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackcheck.cli.disk.missing", lambda *_: "a disk needs root")
    result = CliRunner().invoke(disk, ["--reproduce"])
    assert (result.exit_code, result.output) == (3, "not tried: a disk needs root\n")


@pytest.mark.machine
@pytest.mark.usefixtures("disk_grade")
def test_command_shows_the_lost_rewrite_where_there_is_one() -> None:
    result = CliRunner().invoke(disk, ["--reproduce", "--filesystem", "ext4", "--filesystem", "ext4 dioread_lock"])
    lost = platform.release().startswith(f"{SERIES}.")
    assert (result.exit_code == 1) >= lost
    assert "\nkept: what fsync said OK to is there\n" in result.output
    assert ("\nlost: an fsync that said OK" in result.output) >= lost
