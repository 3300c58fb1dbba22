"""The forms of a report: each is well-formed whatever stands in a finding, and says what the JSON says."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from ackcheck.cli import main
from ackcheck.given import MOST_BYTES
from ackcheck.reports.compare import Comparison, comparison_page
from ackcheck.reports.ctrf import ctrf
from ackcheck.reports.junit import junit
from ackcheck.reports.markdown import fenced, markdown
from ackcheck.reports.page import html_page
from ackcheck.reports.record import BadRecord, read_record, record_of
from ackcheck.reports.sheet import sheet_of_run
from verdicts import NASTY, verdict

RECORD = record_of(verdict())
SHEET = sheet_of_run(RECORD)
VOID = {"meta", "br", "tr", "td", "th", "table"}
"""Elements without an end, or whose end may be left out."""


class Seen(HTMLParser):
    """What a page has: the anchors it offers and those it leads to, what it would load, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.offers: set[str] = set()
        self.leads: set[str] = set()
        self.loads: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if told.get("id"):
            self.offers.add(str(told["id"]))
        if tag == "a":
            self.leads.add(str(told["href"]))
        self.loads += [name for name in ("src", "srcset", "data", "onload", "onclick") if name in told]
        if tag in ("script", "link", "iframe", "img", "object"):
            self.loads.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_junit_says_what_was_kept_what_broke_and_what_was_not_judged() -> None:
    [suite] = ET.fromstring(junit(SHEET)).findall("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "2", "1")
    rows = {f"{row.get('classname')}.{row.get('name')}": row for row in suite.findall("testcase")}
    broken = rows["ackcheck.run.clause.survives-power-loss"].find("failure")
    assert broken is not None
    assert broken.get("message") == NASTY.replace("\x00", "\ufffd")
    assert "the power goes" in (broken.text or "")
    assert rows["ackcheck.run.clause.flush-is-real"].find("skipped") is not None
    assert list(rows["ackcheck.run.clause.no-limbo"]) == []
    facts = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert facts["file system of process"] == "ext4 (rw)"
    assert facts["promise barrier"] == "none"


def test_ctrf_has_what_its_schema_asks_for() -> None:
    told = json.loads(json.dumps(ctrf(SHEET)))
    results = told["results"]
    assert set(results["summary"]) == {*("tests", "passed", "failed", "skipped", "pending", "other"), "start", "stop"}
    assert results["summary"]["stop"] - results["summary"]["start"] == 2500
    assert [test["status"] for test in results["tests"]] == ["passed", "failed", "skipped", "passed", "failed"]
    assert all({"name", "status", "duration"} <= set(test) for test in results["tests"])


def test_markdown_shows_what_failed_first_and_a_finding_cannot_leave_its_fence() -> None:
    text = markdown(SHEET)
    assert text.index("survives-power-loss") < text.index("flush-is-real") < text.index("no-limbo")
    assert "<b>" in text
    assert "<b>" not in re.sub(r"(?ms)^````text$.*?^````$", "", text)  # the text has three backquotes in a row
    assert "\x00" not in text
    cut = fenced("x" * 100_000)
    assert len(cut) < 61_000
    assert "40000 more characters" in cut


@pytest.mark.parametrize(
    "made", [lambda: html_page(RECORD), lambda: comparison_page(Comparison.of([("a", RECORD), ("b", RECORD)]))]
)
def test_a_page_loads_nothing_and_no_link_in_it_is_dead(made: Callable[[], str]) -> None:
    html = made()
    page = Seen(html)
    assert page.loads == []
    assert page.open == []
    assert not re.search(r"url\(|@import|https?:", html)
    assert page.leads
    assert {lead.removeprefix("#") for lead in page.leads} <= page.offers
    assert NASTY.replace("\x00", "\ufffd") in page.text
    for told in ("survives-power-loss", "the power goes", "ack m0"):
        assert told in page.text


def test_the_page_says_how_often_each_fault_was_seen_to_hit_and_how_to_repeat() -> None:
    text = Seen(html_page(RECORD)).text
    for told in ("1 of 2", "it was off", "ackcheck run --seed 7 -- ./store '{dir}'", "6.18.1", "ext4 (rw)", "9 faults"):
        assert told in text, told


def test_side_by_side_shows_what_differs() -> None:
    other = verdict(target="./other")
    other["clauses"][0]["status"] = "broken"
    compared = Comparison.of([("a", RECORD), ("b", record_of(other))])
    assert compared.changed == ("no-limbo",)
    assert compared.facts == {"target": ("./store {dir}", "./other")}


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ([], "it is no object"),
        ({}, "has no 'target'"),
        (verdict(seed="x"), "seed is 'x', of the wrong type"),
        (verdict(clauses=[{"id": "x"}]), "clauses[0].times_checked"),
        (verdict(findings=[3]), "findings[0] is no object"),
        (verdict(levels={}), "levels is {}, of the wrong type"),
    ],
)
def test_what_is_no_verdict_is_refused_by_name(stated: Any, why: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(stated), encoding="utf-8")
    with pytest.raises(BadRecord, match=re.escape(why)) as refused:
        read_record(path)
    assert str(path) in str(refused.value)
    assert "give a file that" in str(refused.value)


@pytest.mark.parametrize("content", [b"\xff", b"{", b"[" * 100_000, b"", b"9" * 5_000])
def test_what_is_no_json_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(BadRecord, match=r"cannot be read as JSON"):
        read_record(path)


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    with path.open("wb") as out:
        out.truncate(MOST_BYTES + 1)
    with pytest.raises(BadRecord, match="longer than 64 MiB"):
        read_record(path)


def test_run_writes_every_form_and_report_makes_them_again_from_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ackcheck.cli.run.efforts", lambda _: {"sim": 1})  # a short run is enough, and no verdict
    names = {"junit": "r.xml", "ctrf": "r.ctrf.json", "markdown": "r.md", "html": "r.html"}
    options = [word for name, file in names.items() for word in (f"--{name}", str(tmp_path / file))]
    at_first = ["--faults", "sim", "--level", "memory", "--seed", "1", "--json", str(tmp_path / "v.json")]
    assert CliRunner().invoke(main, ["run", *at_first, *options]).exit_code in (3, 4)  # too little for more
    made = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert made["command"].startswith("ackcheck run --faults sim")
    assert made["machine"]["specification"]
    assert set(made["machine"]["file_systems"]) == {"sim"}
    first = {file: (tmp_path / file).read_text(encoding="utf-8") for file in names.values()}
    assert CliRunner().invoke(main, ["report", str(tmp_path / "v.json"), *options]).exit_code == 0
    assert {file: (tmp_path / file).read_text(encoding="utf-8") for file in names.values()} == first


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["report", "v.json"], "name at least one of --junit"),
        (["report", "v.json", "--html", "no/such/folder/x.html"], "create it first"),
        (["report", "v.json", "--html", "-"], "only --json can write to the standard output"),
        (["compare", "v.json"], "name two verdicts or more"),
        (["compare", "v.json", "no-such.json"], "No such file"),
        (["run", "--junit", "."], "is a folder"),
        (["explore", "--rules", "--junit", "x.xml"], "says nothing beside --rules"),
    ],
)
def test_what_cannot_be_done_is_exit_code_2_with_a_mend(
    arguments: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("v.json").write_text(json.dumps(verdict()), encoding="utf-8")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert why in " ".join(result.stderr.split())


def test_explore_and_bugs_write_a_row_a_clause_and_a_row_a_bug(tmp_path: Path) -> None:
    junit_xml, text = tmp_path / "r.xml", tmp_path / "r.md"
    settings = ["--sync-failures", "1", "--without", "rewrite-after-failure"]
    assert CliRunner().invoke(main, ["explore", *settings, "--junit", str(junit_xml)]).exit_code == 1
    rows = {row.get("name"): row for row in ET.parse(junit_xml).iter("testcase")}
    failure = rows["flush-is-real"].find("failure")
    assert failure is not None
    assert "sync_fails" in (failure.text or "")
    bug = "old-segment-not-fsynced-on-rotation"
    assert CliRunner().invoke(main, ["bugs", bug, "--seed", "1", "--markdown", str(text)]).exit_code == 0
    assert f"| `{bug}` | caught by " in text.read_text(encoding="utf-8")
