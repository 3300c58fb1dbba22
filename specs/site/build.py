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
from clause_pages import appendix, clause_page, clauses_index, group_page, recorded_runs
from counterexamples import Counterexamples
from links import dead_links
from pages import COPIED, SPECS, page_name, page_text, vocabulary, written

ROOT = SPECS.parent
DOCS, SITE = ROOT / "build" / "docs", ROOT / "build" / "site"
CONFIG: dict[str, Any] = {"sync_failures": 1, "power_losses": 1}
WALKED = ("rewrite-after-failure", "commit-after-flush", "failed-sync-is-not-flushed", "recovery-reads-acks")
WIDE = 7
"""From how many columns on, less one, a table is wide."""

WALKS = (
    "Each page holds a small model whole: choose the next step, go back, or be led to where a clause breaks. The way "
    "stands in the address. `ackcheck explore --serve` makes such a page for any settings, on your own machine."
)


def main() -> int:
    """Build the site; the exit code is 1 where a link is dead."""
    shutil.rmtree(DOCS, ignore_errors=True)
    DOCS.mkdir(parents=True)
    write_pages(Counterexamples())
    write_walks()
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


def write_pages(found: Counterexamples) -> None:
    """Write every page as Markdown, except those to walk in."""
    texts = clause_texts()
    runs = recorded_runs()
    for text in texts.values():
        name = f"clauses/{text.clause.value}.md"
        put(name, clause_page(text, found.of(text.clause), runs))
    for group in dict.fromkeys(text.group for text in texts.values()):
        put(f"clauses/{group}.md", group_page([text for text in texts.values() if text.group == group]))
    put("clauses/index.md", clauses_index(texts.values()))
    put("appendix.md", appendix(texts.values()))
    put("api.md", api_page())
    for path in written():
        put(page_name(path), page_text(path))
    for path in COPIED:
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
    """Write one page; words of the vocabulary are explained where a reader stops at them.

    A page with a wide table has the room of its table of contents, too.
    """
    path = DOCS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    wide = max(line.count(" | ") for line in text.splitlines()) >= WIDE
    head = "---\nhide:\n  - toc\n---\n\n" if wide else ""
    path.write_text(f"{head}{text.rstrip()}\n\n{vocabulary()}", encoding="utf-8")


def configured() -> str:
    """Return the configuration, with a line a clause and a broker, and the paths as seen from `build/`."""
    text = (SPECS / "site" / "site.yml").read_text(encoding="utf-8")
    names = [text.clause.value for text in clause_texts().values()]
    groups = dict.fromkeys(text.group for text in clause_texts().values())
    lines = "".join(f"      - {name}: clauses/{name}.md\n" for name in names)
    brokers = "".join(f"      - {page_name(path)}\n" for path in written() if path.parent == SPECS / "brokers")
    hidden = "not_in_nav: |\n" + "".join(f"  clauses/{group}.md\n" for group in groups)
    for mark, told in (("NAV_CLAUSES", lines), ("NAV_BROKERS", brokers)):
        text = text.replace(f"      - {mark}\n", told)
    return text.replace("../../build/", "") + hidden


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
