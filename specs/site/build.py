"""Writes the pages of the site, and has zensical build it.

    python specs/site/build.py            write build/docs and build/site.yml, build build/site, and check its links

Hand-written pages stand in `specs/` and `specs/site/pages`. A page a clause, the appendix and the reference of the API
are made here, from the sources and from what the explorer finds, so that they cannot say anything else. Every page is
there as Markdown too, and `llms.txt` lists them.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ackcheck.spec import clause_texts
from ackexplore import Options, explore
from ackexplore.reports.walk import walk_page
from ackmodel import RULES, Config
from api_pages import api_page
from clause_pages import appendix, clause_page, clauses_index, group_page
from counterexamples import Counterexamples
from links import dead_links

SPECS = Path(__file__).resolve().parent.parent
ROOT = SPECS.parent
PAGES = SPECS / "site" / "pages"
DOCS, SITE = ROOT / "build" / "docs", ROOT / "build" / "site"
CONFIG: dict[str, Any] = {"sync_failures": 1, "power_losses": 1}
WALKED = ("rewrite-after-failure", "commit-after-flush", "failed-sync-is-not-flushed", "recovery-reads-acks")
WALKS = (
    "Each page holds a small model whole: choose the next step, go back, or be led to where a clause breaks. The way "
    "stands in the address. `ackcheck explore --serve` makes such a page for any settings, on your own machine."
)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
WORDS = re.compile(r"^\| (?P<word>[\w ]+) \| (?P<meaning>[^|]+)", re.MULTILINE)


def main() -> int:
    """Build the site; the exit code is 1 where a link is dead."""
    shutil.rmtree(DOCS, ignore_errors=True)
    DOCS.mkdir(parents=True)
    write_pages()
    config = ROOT / "build" / "site.yml"
    config.write_text(configured(), encoding="utf-8")
    zensical = Path(sys.executable).with_name("zensical")
    if subprocess.run([zensical, "build", "--clean", "--strict", "-f", str(config)], check=False).returncode:
        return 1
    publish_markdown()
    dead = dead_links(SITE)
    for link in dead:
        print(f"dead link: {link}", file=sys.stderr)
    print(f"{SITE / 'index.html'}: {sum(1 for _ in SITE.rglob('*.html'))} pages")
    return 1 if dead else 0


def write_pages() -> None:
    """Write every page as Markdown."""
    texts = clause_texts()
    found = Counterexamples()
    for text in texts.values():
        put(f"clauses/{text.clause.value}.md", clause_page(text, found.of(text.clause)))
    for group in dict.fromkeys(text.group for text in texts.values()):
        put(f"clauses/{group}.md", group_page([text for text in texts.values() if text.group == group]))
    put("clauses/index.md", clauses_index(texts.values()))
    put("appendix.md", appendix(texts.values()))
    put("api.md", api_page())
    put("tla.md", (SPECS / "tla" / "README.md").read_text(encoding="utf-8"))
    for path in sorted([*SPECS.glob("*.md"), *PAGES.rglob("*.md")]):
        home = PAGES if PAGES in path.parents else SPECS
        put(path.relative_to(home).as_posix(), path.read_text(encoding="utf-8"))
    write_walks()
    for path in (
        *SPECS.glob("*.svg"),
        PAGES.parent / "site.css",
        SPECS / "protocol.schema.json",
        SPECS / "trace.schema.json",
        SPECS / "filesystems.json",
    ):
        shutil.copy(path, DOCS / path.name)


def write_walks() -> None:
    """Write pages to walk in: the model as it is, and without some rules."""
    lines = ["# Walk through the model", "", WALKS, ""]
    for name in ("as-it-is", *WALKED):
        off = frozenset({name} & set(WALKED))
        config = Config(**CONFIG, rules=off)
        settings = CONFIG | dict.fromkeys(["without"] if off else [], name)
        options = [word for key, value in settings.items() for word in (f"--{key.replace('_', '-')}", str(value))]
        command = " ".join(["ackcheck explore", *options, "--serve"])
        (DOCS / "walk").mkdir(exist_ok=True)
        page = walk_page(explore(config, Options(engine="graph")), command)
        (DOCS / "walk" / f"{name}.html").write_text(page, encoding="utf-8")
        says = "every rule on: nothing breaks" if name == "as-it-is" else f"without: {RULES[name].says}"
        lines.append(f'- <a href="walk/{name}.html">{name}</a>: {says}')
    put("walk.md", "\n".join(lines) + "\n")


def put(name: str, text: str) -> None:
    """Write one page: links that lead out of the site become plain text, and words of the vocabulary are explained."""
    path = DOCS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = re.sub(r"```mermaid\n.*?```\n", "", text, flags=re.DOTALL)  # is drawn by a script from elsewhere
    path.write_text(f"{LINK.sub(lambda link: within(name, link), text).rstrip()}\n\n{vocabulary()}", encoding="utf-8")


def within(page: str, link: re.Match[str]) -> str:
    """Return a link if it stays within the site or leads to a web address, and else its text."""
    target = link[2].partition("#")[0]
    if not target or "://" in target:
        return link[0]
    at = (SPECS / Path(page).parent / target).resolve()
    renamed = {SPECS / "clauses": "clauses/index.md", SPECS / "tla": "tla.md", SPECS / "tla" / "README.md": "tla.md"}
    if at in renamed:
        return f"[{link[1]}]({'../' * page.count('/')}{renamed[at]})"
    generated = (
        at.parent == SPECS / "clauses"
        or at.name in {"api.md", "appendix.md", "walk.md"}
        or (SPECS / "zh") in at.parents
    )
    known = at.is_relative_to(SPECS) and (at.is_file() or (PAGES / at.relative_to(SPECS)).exists() or generated)
    return link[0] if known else link[1]


def vocabulary() -> str:
    """Return what the words of the vocabulary mean, as a reader sees it who stops at one."""
    text = (SPECS / "README.md").read_text(encoding="utf-8").partition("## Vocabulary")[2].partition("## Levels")[0]
    told = {row["word"]: row["meaning"].strip() for row in WORDS.finditer(text)}
    plain = {"phantom", "barrier", "receipt"}
    shown = {word: meaning for word, meaning in told.items() if word.isupper() or word in plain}
    return "\n".join(f"*[{word}]: {meaning.replace('`', '')}" for word, meaning in shown.items()) + "\n"


def configured() -> str:
    """Return the configuration, with a line a clause, and the paths as seen from `build/`."""
    text = (SPECS / "site" / "site.yml").read_text(encoding="utf-8")
    names = [text.clause.value for text in clause_texts().values()]
    groups = dict.fromkeys(text.group for text in clause_texts().values())
    lines = "".join(f"      - {name}: clauses/{name}.md\n" for name in names)
    hidden = "not_in_nav: |\n" + "".join(f"  clauses/{group}.md\n" for group in groups)
    return text.replace("      - NAV_CLAUSES\n", lines).replace("../../build/", "") + hidden


def publish_markdown() -> None:
    """Put every page beside itself as Markdown, and write the list of them for machines."""
    count = len(clause_texts())
    about = f"> {count} clauses, a model, a reference store, and a suite that judges any store in any language."
    ways = "From your store to a verdict: first-verdict.md. The oracle in your own tests: vendoring.md."
    lines = ["# ackcheck", "", about, "", ways, "", "## Pages", ""]
    for path in sorted(DOCS.rglob("*.md")):
        name = path.relative_to(DOCS).as_posix()
        (SITE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, SITE / name)
        title = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        lines.append(f"- [{title[1] if title else name}]({name})")
    (SITE / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
