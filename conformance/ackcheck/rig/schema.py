"""Each line of a target held against the schema of the protocol (`ackcheck run --validate`), and explained.

>>> with every_line_checked():
...     Checked.now().check("ack", {"id": 7, "result": "YES"})
Traceback (most recent call last):
...
ackcheck.rig.errors.ProtocolError: the answer to 'ack' {"id": 7, "result": "YES"} is not as the schema says:
  result: 'YES' is not one of ['OK', 'SETTLED', 'EXPIRED', 'FAILED', 'UNKNOWN', 'BUSY', 'INVALID']
see `ackcheck spec protocol`
>>> Checked.now() is None
True
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from attrs import define

from ackcheck.rig.errors import ProtocolError
from ackcheck.spec import page_text

MOST_SHOWN = 8
"""Complaints about one line that are told."""
LONGEST_SHOWN = 200
"""Characters of a line that a message shows."""


class NoValidator(ValueError):
    """What holds a line against a schema is not installed."""


@define(eq=False)
class Checked:
    """The schema, and how many lines were held against it."""

    lines: int = 0
    _answer: Any = None
    _results: Mapping[str, Any] = {}

    @staticmethod
    def now() -> Checked | None:
        """Return what lines are held against here; None where nobody asked for it."""
        return _CHECKED.get()

    def check(self, op: str, line: Mapping[str, Any]) -> None:
        """Raise `ProtocolError` if an answer is not as the schema says, with all that is wrong."""
        self.lines += 1
        wrong = [_told(error, "") for error in self._answer.iter_errors(line)]
        if "result" in line:
            wrong += [_told(error, "result") for error in self._results[op].iter_errors(line["result"])]
        if wrong:
            more = [f"... and {len(wrong) - MOST_SHOWN} more"] if len(wrong) > MOST_SHOWN else []
            told = "".join(f"\n  {each}" for each in [*wrong[:MOST_SHOWN], *more])
            shown = json.dumps(line)[:LONGEST_SHOWN]
            raise ProtocolError(
                f"the answer to {op!r} {shown} is not as the schema says:{told}\nsee `ackcheck spec protocol`"
            )


_CHECKED: ContextVar[Checked | None] = ContextVar("checked", default=None)


@contextmanager
def every_line_checked() -> Iterator[Checked]:
    """Have every child process that is made meanwhile hold its lines against the schema."""
    try:
        import jsonschema
    except ImportError:
        raise NoValidator("--validate needs jsonschema: pip install 'ackcheck[validate]'") from None
    schema = json.loads(page_text("schema"))
    make = jsonschema.Draft202012Validator
    results = {
        op: make({"$defs": schema["$defs"], **part}) for op, part in schema["$defs"]["results"]["properties"].items()
    }
    checked = Checked(0, make({"$defs": schema["$defs"], "$ref": "#/$defs/answer"}), results)
    before = _CHECKED.set(checked)
    try:
        yield checked
    finally:
        _CHECKED.reset(before)


def _told(error: Any, within: str) -> str:
    """Return what is wrong, and where in the line; of several ways in which it could be right, the nearest."""
    while error.context:
        error = min(error.context, key=lambda each: (-len(each.absolute_path), str(each.message)))
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    return f"{(within + place).lstrip('.') or 'the line'}: {error.message}"
