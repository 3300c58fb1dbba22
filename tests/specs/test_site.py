"""The site of the specification: what its pages are made of is whole, and every command that a page shows is one."""

import re
import shlex
from pathlib import Path

import click
import pytest

import build
from ackcheck.cli import main
from ackcheck.spec import clause_texts
from ackmodel import RULES, Clause
from clause_pages import appendix, clause_page, source_of
from counterexamples import Counterexamples
from links import dead_links

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "specs").rglob("*.md")), *sorted((ROOT / "conformance").rglob("*.md"))]
CHINESE = ROOT / "specs" / "site" / "pages" / "zh" / "clauses.md"
SHOWN = re.compile(r"^(?:    |`)(?:sudo |uvx |\.venv/bin/)*(ackcheck .*?)(?:`.*)?$", re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    """Every command line of ackcheck that stands in a page, in a block by itself."""
    found = []
    for page in PAGES:
        whole = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))  # lines that go on
        for shown in SHOWN.findall(whole):
            line = re.split(r"\s+#|\s{3,}|&&", shown)[0]
            if "..." not in line and "|" not in line:
                found.append((str(page.relative_to(ROOT)), line))
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_that_a_page_shows_has_these_options(page: str, line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = main
    with click.Context(main) as context:
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(context, words.pop(0))
            assert found is not None, f"{page}: no such command: {line}"
            command = found
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = [
        word.partition("=")[0] for word in words[: words.index("--") if "--" in words else None] if word[:2] == "--"
    ]
    assert set(given) <= known | {"--help", "--version"}, f"{page}: {line}"


def test_pages_show_commands() -> None:
    assert len(commands()) > 30


def test_every_clause_has_a_sentence_in_chinese_and_a_link_to_its_page() -> None:
    rows = re.findall(
        r"^\| \[`([a-z-]+)`\]\(\.\./clauses/([a-z-]+)\.md\) \| (.+) \|$", CHINESE.read_text("utf-8"), re.MULTILINE
    )
    assert [name for name, _, _ in rows] == [clause.value for clause in Clause]
    assert all(name == page and len(sentence) > 10 for name, page, sentence in rows)


def slug(heading: str) -> str:
    """The anchor that the site gives a heading."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def test_every_page_has_its_place_in_the_navigation_and_every_link_leads_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "DOCS", tmp_path)
    build.write_pages(Counterexamples(["rewrite-after-failure"]))
    texts = {path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.md")}
    texts["walk.md"] = ""  # explores; the site is built by `make docs`
    placed = re.findall(r"^ +(?:- )?(?:[a-z-]+: )?(\S+\.md)$", build.configured(), re.MULTILINE)
    assert sorted(placed) == sorted(texts)
    for name, text in texts.items():
        for target in re.findall(
            r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        ):
            path, _, anchor = target.partition("#")
            at = (tmp_path / name).parent / path if path else tmp_path / name
            if "://" in target or path.startswith("walk"):
                continue
            assert at.exists(), f"{name}: {target}"
            if anchor and path.endswith(".md") and "/zh/" not in str(at):
                headings = re.findall(r"^#+ (.+)$", at.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in map(slug, headings), f"{name}: {target}"


def test_a_clause_without_a_rule_in_the_model_has_a_page_without_a_counterexample() -> None:
    none = Counterexamples([]).of(Clause.WRITTEN_ONCE)
    page = clause_page(clause_texts()[Clause.WRITTEN_ONCE], none)
    assert none is None
    assert "No rule of the model stands for it" in page
    assert "The shortest way" not in page


def test_a_clause_page_has_the_text_the_source_the_counterexample_and_the_bugs() -> None:
    found = Counterexamples(["rewrite-after-failure"])
    page = clause_page(clause_texts()[Clause.FLUSH_REWRITES], found.of(Clause.FLUSH_REWRITES))
    told = (
        "**MUST** keep this: After a failed sync",
        "## Why",
        "def flush_rewrites(",
        "`rewrite-after-failure`",
        "`sync_fails`",
    )
    for each in (*told, "retry-fsync-after-eio-reports-success", "tests/"):
        assert each in page, each


def test_a_clause_page_names_the_real_brokers_that_broke_a_promise_of_it_and_no_others() -> None:
    run = {
        "broker": "redis",
        "title": "Redis",
        "version": "7.0 sha=1",
        "configuration": "everysec",
        "command": "ackcheck X",
    }
    promised = {"power loss": {"clauses": {"flush-rewrites": ["returned"], "no-limbo": ["lost (no promise)"]}}}
    runs = [{**run, "faults": promised}, {**run, "faults": {"power loss": {"outcomes": {"lost": 1}}}}]
    text, none = clause_texts(), Counterexamples([])
    row = "| [Redis](../brokers/redis.md) | 7.0, `everysec` | power loss | returned | `ackcheck X` |"
    assert row in clause_page(text[Clause.FLUSH_REWRITES], none.of(Clause.FLUSH_REWRITES), runs)
    assert "Real brokers" not in clause_page(text[Clause.NO_LIMBO], none.of(Clause.NO_LIMBO), runs)


def test_the_source_of_a_method_is_read_from_its_file() -> None:
    assert source_of("ackmodel.observe.oracle", "Oracle.published").startswith("def published(self")


def test_the_appendix_has_everything_for_every_clause_and_rule_and_only_three_clauses_have_no_rule() -> None:
    text = appendix(clause_texts().values())
    without_rule = {Clause.UNKNOWN_HAS_A_CAUSE, Clause.WRITTEN_ONCE, Clause.SPACE_IS_BOUNDED}  # their texts say why
    assert f"{len(Clause)} of {len(Clause)} clauses have a check" in text
    assert f"{len(Clause) - len(without_rule)} rest on rules of" in text
    assert f"{len(RULES)} of {len(RULES)} rules" in text
    assert not [clause for clause in without_rule if any(clause in rule.falls for rule in RULES.values())]


def test_dead_links_and_what_is_loaded_from_elsewhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "b.html").write_text(
        '<p id="here">b</p><script src="https://example.org/x.js"></script>', encoding="utf-8"
    )
    links = ["b.html", "b.html#here", "b.html#gone", "c.html", "https://example.org"]
    (tmp_path / "a.html").write_text("".join(f'<a href="{link}">x</a>' for link in links), encoding="utf-8")
    assert dead_links(tmp_path) == ["a.html: b.html#gone", "a.html: c.html", "b.html: loads https://example.org/x.js"]
