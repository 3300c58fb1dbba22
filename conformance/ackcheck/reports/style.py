"""How the pages of the reports look: light and dark, on a wide screen and a narrow one, on paper; nothing is loaded.

>>> page("A <title>", ["<p>text</p>"]).splitlines()[0]
'<!doctype html>'
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ackcheck.signs import clean

STYLE = """
:root { color-scheme: light dark; --page: #fff; --raised: #f6f7f9; --line: #d9dde3; --text: #1c2128; --soft: #57606c;
  --bad: #b42318; --bad-soft: #fdecea; --good: #0f6b3a; --good-soft: #e5f5ec; --open: #7a4d00; --open-soft: #fdf3dc;
  --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --raised: #1b2027; --line: #333a44; --text: #e4e7eb;
  --soft: #a3adba; --bad: #ff9488; --bad-soft: #3a1d1b; --good: #7ddba3; --good-soft: #17301f; --open: #f0c36a;
  --open-soft: #33290f; --link: #9cc2ff; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1.5rem clamp(.9rem, 3vw, 2.5rem);
  max-width: 90rem; background: var(--page); color: var(--text); }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; } h3 { font-size: 1rem; margin: 0 0 .35rem; }
p { max-width: 55rem; margin: .4rem 0; } a { color: var(--link); } .soft { color: var(--soft); }
code, pre { font: .88em/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: .7rem .9rem;
  white-space: pre-wrap; }
.mark { display: inline-block; border-radius: 4px; padding: 0 .45em; font-weight: 600; white-space: nowrap; }
.kept { color: var(--good); background: var(--good-soft); } .broken { color: var(--bad); background: var(--bad-soft); }
.not-judged { color: var(--open); background: var(--open-soft); }
.banner { border-left: 5px solid; padding: .6rem 1rem; border-radius: 4px; } .banner h1 { margin: 0; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem; border-bottom: 1px solid var(--line); }
tr:last-child > td, tr:last-child > th[scope=row] { border-bottom: 0; }
thead th { background: var(--raised); font-weight: 600; }
th[scope=row] { font-weight: 600; } .number { text-align: right; font-variant-numeric: tabular-nums; }
.finding { border: 1px solid var(--line); border-left: 4px solid var(--bad); border-radius: 6px; padding: .8rem 1rem;
  margin: 0 0 1.2rem; }
.finding:target { outline: 3px solid var(--link); outline-offset: 2px; }
.lanes { table-layout: fixed; min-width: 52rem; font-size: .92em; }
.lanes th:first-child, .lanes .step { color: var(--soft); width: 3.2rem; text-align: right; }
.lanes tr.fault td { background: var(--bad-soft); } .lanes tr.last td { outline: 2px solid var(--bad);
  outline-offset: -2px; }
summary { cursor: pointer; color: var(--link); }
@media (max-width: 40rem) { .stack thead { display: none; } .stack tr { display: block; padding: .5rem 0;
  border-bottom: 1px solid var(--line); } .stack td, .stack th { display: block; border: 0; padding: .1rem .8rem; }
  .lanes { min-width: 0; } .stack .number, .stack .step { text-align: left; } .stack .step:not(:empty)::before {
  content: "step "; } .lanes tr { padding: .15rem 0; } .stack td:empty { display: none; }
  .stack td[data-name]::before { content: attr(data-name) ": "; color: var(--soft); } }
@media print { .wide { overflow: visible; } details > * { display: block; } }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page around its parts, which are HTML."""
    head = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
    ]
    return clean("\n".join([*head, *filter(None, parts), "</main></body></html>", ""]))


def mark(status: str, text: str = "") -> str:
    """Return a status in its colour; the word says it too."""
    shown = text or status.replace("-", " ")
    return f'<span class="mark {escape(status)}">{escape(shown)}</span>'
