"""A finding on real files is a folder from which somebody who was not there can see what happened."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ackcheck.cli import main
from ackcheck.grades import evidence, run_process_grade
from ackmodel import Level

TOYS = Path(__file__).with_name("toys.py")
LOSES = f"{TOYS}:ReturnsEarly"


def test_a_finding_is_a_folder(tmp_path: Path) -> None:
    report = run_process_grade(LOSES, Level.DISK, seed=2, rounds=2, evidence=tmp_path / "found")
    assert report.finding is not None
    folders = sorted((tmp_path / "found").iterdir())
    assert len(folders) == len(report.findings)
    [folder] = [one for one in folders if one.name.endswith(report.finding.clause.value)]
    assert folder.name == f"process-seed-2-case-{report.finding.case}-{report.finding.clause.value}"
    assert report.finding.why in (folder / "finding.txt").read_text()
    assert "SIGKILL" in (folder / "history.txt").read_text()
    ways = [json.loads(line)[1] for line in (folder / "wire.jsonl").read_text().splitlines()]
    assert {">", "<"} == set(ways)
    assert '"op":"open"' in (folder / "wire.jsonl").read_text().replace("\\", "")
    told = json.loads((folder / "machine.json").read_text())
    assert {"kernel", "file_system", "mount_options", "python", "ackcheck", "command"} == set(told)
    assert (folder / "directory" / "log").exists()
    run_process_grade(LOSES, Level.DISK, seed=2, rounds=2, evidence=tmp_path / "found")
    assert len(list((tmp_path / "found").iterdir())) > len(folders)  # no folder is written over


def test_without_a_finding_there_is_no_folder(tmp_path: Path) -> None:
    run_process_grade(f"{TOYS}:Toy", Level.DISK, seed=2, rounds=1, evidence=tmp_path / "found")
    assert not (tmp_path / "found").exists()


def test_the_folders_are_beside_the_json(tmp_path: Path) -> None:
    words = ["--faults", "process", "--level", "disk", "--seed", "2", "--stop-at-first", LOSES]
    ran = CliRunner().invoke(main, ["run", "--json", str(tmp_path / "verdict.json"), *words])
    assert ran.exit_code == 1, ran.stderr
    assert list((tmp_path / "verdict.json.findings").iterdir())


def test_too_much_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_BYTES", 10)
    run_process_grade(LOSES, Level.DISK, seed=2, rounds=2, evidence=tmp_path)
    [folder, *_] = tmp_path.iterdir()
    assert "log: " in (folder / "not-copied.txt").read_text()
    assert not (folder / "directory" / "log").exists()
