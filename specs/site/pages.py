"""Which file becomes which page, and what a hand-written page needs before the site is built of it.

>>> page_name(SPECS / "brokers" / "redis.md"), page_name(SPECS / "README.md"), page_name(PAGES / "zh" / "index.md")
('brokers/redis.md', 'specification.md', 'zh/index.md')
>>> within("commands.md", "see [that](brokers/README.md#what-was-seen) and [this](../Makefile)")
'see [that](brokers/index.md#what-was-seen) and this'
>>> drawn("stateDiagram-v2\\n    [*] --> PENDING: accepted\\n")
'| from | to | when |\\n|---|---|---|\\n| (new) | PENDING | accepted |\\n'
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

SPECS = Path(__file__).resolve().parent.parent
PAGES = SPECS / "site" / "pages"
RENAMED = {
    SPECS / "README.md": "specification.md",
    SPECS / "brokers" / "README.md": "brokers/index.md",
    SPECS / "tla" / "README.md": "tla.md",
    SPECS / "clauses": "clauses/index.md",
    SPECS / "brokers": "brokers/index.md",
    SPECS / "tla": "tla.md",
}
GENERATED = frozenset({"api.md", "appendix.md", "walk.md"})
COPIED = (*sorted(SPECS.glob("*.svg")), *sorted(SPECS.glob("*.json")), *sorted(PAGES.parent.glob("site.[cj]s*")))
"""What pages show or lead to, and is no page."""

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")
MERMAID = re.compile(r"```mermaid\n(.*?)```\n", re.DOTALL)
ARROW = re.compile(r"^\s*(\S+) --> (\S+?)(?:: (.+))?$", re.MULTILINE)
WORDS = re.compile(r"^\| (?P<word>[\w ]+) \| (?P<meaning>[^|]+)", re.MULTILINE)


def written() -> Iterator[Path]:
    """Yield the hand-written pages, except the texts of the clauses, which have pages made of them."""
    yield from sorted([*SPECS.glob("*.md"), *SPECS.glob("brokers/*.md"), SPECS / "tla" / "README.md"])
    yield from sorted(PAGES.rglob("*.md"))


def page_name(path: Path) -> str:
    """Return where in the site a file is, or a folder that has a page."""
    home = PAGES if PAGES in path.parents else SPECS
    return RENAMED.get(path) or path.relative_to(home).as_posix()


def page_text(path: Path) -> str:
    """Return what a hand-written page says in the site."""
    text = MERMAID.sub(lambda found: drawn(found[1]), path.read_text(encoding="utf-8"))
    return within(page_name(path), text, path.parent)


def drawn(diagram: str) -> str:
    """Return a diagram as a table: what would draw it is a script from elsewhere."""
    rows = [f"| {_state(one)} | {_state(other)} | {when} |\n" for one, other, when in ARROW.findall(diagram)]
    return "| from | to | when |\n|---|---|---|\n" + "".join(rows)


def _state(name: str) -> str:
    return "(new)" if name == "[*]" else name


def within(page: str, text: str, home: Path | None = None) -> str:
    """Return the text of a page, in which links that lead out of the site are plain text.

    `home` is the folder that its links start from, where that is not the page's place in `specs`.
    """
    start = (SPECS / page).parent if home is None or PAGES in (home, *home.parents) else home
    return LINK.sub(lambda link: _link(page, start, link), text)


def _link(page: str, home: Path, link: re.Match[str]) -> str:
    target, mark, anchor = link[2].partition("#")
    if not target or "://" in target:
        return link[0]
    name = _target((home / target).resolve())
    if name is None:
        return link[1]
    return f"[{link[1]}]({os.path.relpath(name, Path(page).parent)}{mark}{anchor})"


def _target(path: Path) -> str | None:
    """Return the page or file of the site that a path means, if it is one."""
    if path in RENAMED:
        return RENAMED[path]
    if not path.is_relative_to(SPECS):
        return None
    name = path.relative_to(SPECS).as_posix()
    if name in GENERATED or path.parent == SPECS / "clauses" or (PAGES / name).is_file():
        return name
    return name if path in {*written(), *COPIED} else None


def vocabulary() -> str:
    """Return what the words of the vocabulary mean, as a reader sees it who stops at one."""
    text = (SPECS / "README.md").read_text(encoding="utf-8").partition("## Vocabulary")[2].partition("## Levels")[0]
    told = {row["word"]: row["meaning"].strip() for row in WORDS.finditer(text)}
    plain = {"phantom", "barrier", "receipt"}
    shown = {word: meaning for word, meaning in told.items() if word.isupper() or word in plain}
    return "\n".join(f"*[{word}]: {meaning.replace('`', '')}" for word, meaning in shown.items()) + "\n"
