"""A claim: what may be claimed, that an edit shows, and that it goes stale by rule."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ackcheck.cli.claim import claim as command
from ackcheck.reports.claim import NoClaim, checked, claim_of, write_claim
from ackcheck.reports.record import record_of
from verdicts import verdict


def written(folder: Path, **changed: Any) -> Path:
    return write_claim(claim_of(record_of(verdict(**changed)), "my-store", "1.4"), folder)


def test_a_claim_stands_by_version_and_name_with_what_it_takes_to_repeat_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert path == tmp_path / "3" / "my-store" / "page-cache-quick.json"
    readme = (path.parent / "README.md").read_text(encoding="utf-8")
    assert "## Reproduce" in readme
    assert "    ackcheck run --seed 7 -- ./store '{dir}'" in readme
    assert "barrier = none" in readme
    told = json.loads(path.read_text(encoding="utf-8"))
    assert {"level", "clauses", "promises", "machine", "command", "sha256", "version"} <= set(told)
    assert told["machine"]["file_systems"] == {"process": "ext4 (rw)"}
    assert [each.wrong for each in checked(tmp_path)] == [""]


def test_a_claim_that_was_edited_shows(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('"page-cache"', '"disk"', 1), encoding="utf-8")
    [found] = checked(tmp_path)
    assert "edited" in found.wrong
    result = CliRunner().invoke(command, ["check", str(tmp_path)])
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"level": None, "outcome": "not-judged"}, "keeps no level"),
        ({"level": "../../x"}, "give an unedited verdict"),
        ({"profile": "../x"}, "give an unedited verdict"),
        ({"machine": {}}, "run it again"),
        ({"machine": {"specification": "../.."}}, "names no version of the specification"),
    ],
)
def test_what_a_verdict_does_not_allow_is_not_claimed(changed: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(NoClaim, match=why):
        written(tmp_path, **changed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "", "A b", ".hidden", "x" * 65])
def test_a_name_that_is_none_for_a_folder_is_refused(name: str) -> None:
    with pytest.raises(NoClaim, match="is no name for a folder"):
        claim_of(record_of(verdict()), name, "1")


def test_nothing_is_written_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "3").symlink_to(tmp_path / "outside")
    with pytest.raises(NoClaim, match="behind a link"):
        written(tmp_path / "claims")
    assert not any(path.is_file() for path in (tmp_path / "outside").rglob("*"))


def test_what_is_no_claim_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    (tmp_path / "y.json").write_text("{", encoding="utf-8")
    assert all(each.wrong for each in checked(tmp_path))
    assert CliRunner().invoke(command, ["check", str(tmp_path)]).exit_code == 1
