"""Dead links of a built site: what a page leads to or loads that is not there. Addresses elsewhere are only told apart.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as place:
...     text = '<h1 id=top>A</h1><a href="b.html">b</a><a href="#top">up</a>'
...     _ = Path(place, "a.html").write_text(text, encoding="utf-8")
...     dead_links(Path(place))
['a.html: b.html']
"""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page leads to, what it loads, and the anchors it offers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.leads: set[str] = set()
        self.offers: set[str] = set()
        self.loads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.offers |= {told[name] for name in ("id", "name") if told.get(name)}
        if tag in ("a", "link") and "href" in told:
            self.leads.add(told["href"])
        if "src" in told or (tag == "link" and told.get("rel") == "stylesheet"):
            self.loads.add(told.get("src") or told["href"])


def dead_links(site: Path) -> list[str]:
    """Return every link to something that is not there, and everything that would be loaded from elsewhere."""
    found = (path for path in sorted(site.rglob("*.html")) if path.name != "404.html")  # is shown at any address
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in found}
    dead = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        dead += [f"{name}: loads {each}" for each in sorted(page.loads) if urlsplit(each).netloc]
        for link in sorted(page.leads | page.loads):
            told = urlsplit(link)
            if told.scheme or told.netloc:
                continue
            target = (path.parent / unquote(told.path)).resolve() if told.path else path
            target = target / "index.html" if target.is_dir() else target
            missing = not target.exists()
            anchor = unquote(told.fragment)
            if missing or (anchor and target in pages and anchor not in pages[target].offers | {"__codelineno"}):
                dead.append(f"{name}: {link}")
    return dead
