"""Looks at every page of the built site in Chromium: wide and narrow, light and dark.

    make look                          after `make docs`: minutes, and exit code 1 where something is wrong
    python specs/site/look.py --pages 'clauses/*' --pictures build/looked
    make look ARGS="--shard 3/8"       the third of eight parts, for a machine that is slow

Of each page it is asked whether its scripts complain, whether anything that it loads is missing or comes from
elsewhere, whether it is wider than the window, and whether axe-core finds a serious fault for those who cannot see it
well. Then a word is searched for, without a network. It needs Chromium (Debian: `apt install chromium`) and the extra
`look`.
"""

from __future__ import annotations

import argparse
import functools
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from attrs import Factory, define

SITE = Path(__file__).resolve().parents[2] / "build" / "site"
WIDTHS, SCHEMES = (1400, 400), ("light", "dark")
NAMES = ("chromium", "chromium-browser", "google-chrome")
SERIOUS = frozenset({"serious", "critical"})
AT_REST = """
Promise.race([
  Promise.allSettled(document.getAnimations()
    .filter(each => each.effect.getComputedTiming().endTime < Infinity).map(each => each.finished)),
  new Promise(done => setTimeout(done, 2000))]).then(() => null)
"""
"""Waits until nothing moves or changes its colour any more, but for what does so for ever."""

WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
WORD = "phantom"
"""What is searched for: a word of the vocabulary."""


class Quiet(SimpleHTTPRequestHandler):
    """Serves the site to this machine, and keeps no log."""

    def log_message(self, *_told: Any) -> None:
        pass


@define
class Looked:
    """What was seen, and what was wrong, which is told as it is found."""

    pages: int = 0
    wrong: list[str] = Factory(list)

    def tell(self, wrong: str) -> None:
        """Tell of something that is wrong."""
        self.wrong.append(wrong)
        print(" ".join(wrong.split()), flush=True)


def main() -> int:
    """Look, and tell."""
    options = argparse.ArgumentParser(description="Looks at every page of the built site in Chromium.")
    options.add_argument("--site", type=Path, default=SITE, help="the folder of the site")
    options.add_argument("--pages", default="*", help="only pages whose name fits, as `clauses/*`")
    options.add_argument("--shard", default="1/1", metavar="K/N", type=shard, help="only the Kth of N parts of them")
    options.add_argument("--pictures", type=Path, help="a folder for a picture of each")
    chosen = options.parse_args()
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        print("not looked at: no Chromium here; Debian has it: apt install chromium", file=sys.stderr)
        return 2
    names = [path.relative_to(chosen.site).as_posix() for path in sorted(chosen.site.rglob("*.html"))]
    names = [name for name in names if fnmatch(name, chosen.pages)][chosen.shard]
    if not names:
        print(f"not looked at: no such page in {chosen.site}; build it: make docs", file=sys.stderr)
        return 2
    looked = Looked()
    with served(chosen.site) as address, browser(chromium) as started:
        for scheme in SCHEMES:
            look_at(started, address, names, scheme, chosen.pictures, looked)
        search(started, address, looked)
    print(f"{looked.pages} views of {len(names)} pages, {len(looked.wrong)} faults")
    return 1 if looked.wrong else 0


def shard(text: str) -> slice:
    """Return which pages are in a part, as K/N: every Nth, from the Kth on, so that no part has all the long ones.

    >>> sorted(part for k in (1, 2, 3) for part in range(10)[shard(f"{k}/3")]) == list(range(10))
    True
    """
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part: give K/N, with K from 1 to N, as 3/8")
    return slice(int(part) - 1, None, int(parts))


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve the site on loopback; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def browser(chromium: str) -> Iterator[Any]:
    """Start a browser that reaches nothing but the server."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        started = playwright.chromium.launch(executable_path=chromium, args=arguments)
        try:
            yield started
        finally:
            started.close()


def look_at(started: Any, address: str, names: list[str], scheme: str, pictures: Path | None, looked: Looked) -> None:
    """Look at each page in one scheme of colours, at each width."""
    context = started.new_context(color_scheme=scheme)
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: told.append(f"script: {error}"))
    page.on("requestfailed", lambda request: told.append(f"not loaded: {request.url}"))
    page.on("request", lambda asked: None if foreign(asked.url, address) is None else told.append(asked.url))
    for name in names:
        page.goto(f"{address}/{name}", wait_until="load", timeout=60_000)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(AT_REST)  # colours on their way have no contrast of their own
            wrong = [*told, *too_wide(page), *accessibility(page)]
            for each in wrong:
                looked.tell(f"{name} ({width}, {scheme}): {each}")
            told.clear()
            looked.pages += 1
            if pictures is not None:
                pictures.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=pictures / f"{name.replace('/', '-')}-{width}-{scheme}.png")
    context.close()


def foreign(url: str, address: str) -> str | None:
    """Return an address that is not the server's.

    >>> foreign("https://example.org/x.js", "http://127.0.0.1:1"), foreign("data:,x", "http://127.0.0.1:1")
    ('https://example.org/x.js', None)
    """
    return None if url.startswith((address, "data:", "blob:")) else url


def too_wide(page: Any) -> list[str]:
    """Return by how much a page is wider than its window, if it is."""
    more = page.evaluate(WIDER)
    return [f"wider than its window by {more} px"] if more > 0 else []


def accessibility(page: Any) -> list[str]:
    """Return the serious faults that axe-core finds, with the first element of each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"axe: {each['id']}: {each['nodes'][0]['html'][:120]}" for each in found if each["impact"] in SERIOUS]


def search(started: Any, address: str, looked: Looked) -> None:
    """Search for a word of the vocabulary."""
    page = started.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{address}/index.html", wait_until="load", timeout=60_000)
    page.keyboard.press("/")
    page.keyboard.type(WORD)
    try:
        page.get_by_text(re.compile(r"^[1-9][0-9]* results$")).first.wait_for(timeout=30_000)
    except Exception as error:  # whatever it was, the search did not work
        looked.tell(f"search: {WORD} is not found: {error}")
    page.close()


if __name__ == "__main__":
    sys.exit(main())
