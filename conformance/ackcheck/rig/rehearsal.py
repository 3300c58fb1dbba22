"""Every call of the protocol once, on a directory of its own, before the campaigns: what is wrong is told together.

>>> import sys
>>> yes = "import json, sys\\nfor line in sys.stdin: print(json.dumps({'id': json.loads(line)['id'], 'result': 'YES'}))"
>>> with every_line_checked(), tempfile.TemporaryDirectory() as folder:
...     child = Child([sys.executable, "-uc", yes], reply_timeout=60.0)
...     print([line.split()[3] for line in rehearsed(child, Path(folder)) if line.startswith("the answer")])
["'open'"]
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ackcheck.rig.child import Child
from ackcheck.rig.errors import ProtocolError, RigError, TargetError
from ackcheck.rig.schema import every_line_checked
from ackcheck.target import OPTIONAL, PROTOCOL

__all__ = ["Child", "every_line_checked", "rehearsed", "tempfile"]

HIDDEN = 30.0


def rehearsed(child: Child, directory: Path) -> list[str]:
    """Return what is wrong with the answers of a target; it is started, and ended."""
    wrong: list[str] = []
    with child:
        try:
            _play(child, directory, wrong)
        except RigError as error:  # it died or hangs: what comes after cannot be asked
            wrong.append(f"{type(error).__name__}: {error}")
    return wrong


def _play(child: Child, directory: Path, wrong: list[str]) -> None:
    def call(op: str, **arguments: Any) -> Any:
        try:
            return child.call(op, **arguments)
        except ProtocolError as error:
            wrong.append(str(error))
        except TargetError as error:
            wrong.append(f"{error}: no call of the rehearsal is one to be answered with an error")
        return None

    said = call("open", directory=str(directory), protocol=PROTOCOL)
    if wrong:
        return  # nothing can be asked of what is not open
    offers = OPTIONAL & set(said.get("offers", ())) if isinstance(said, dict) else frozenset()
    call("publish", queue="rehearsal/0", end=4)
    receipts = list(_receipts(call("pop", queue="rehearsal/0", count=4, invisible=HIDDEN)))
    if receipts:
        call("ack", receipt=receipts[0])
    call("ack", receipt="a receipt of nobody's")
    call("ack_many", receipts=receipts[1:2])
    if "renew" in offers and receipts:
        call("renew", receipt=receipts[-1], invisible=HIDDEN)
    if "release" in offers and receipts:
        call("release", receipt=receipts[-1])
    if "dead" in offers:
        call("dead", queue="rehearsal/0")
    call("stats")
    if not (isinstance(said, dict) and (said.get("promises") or {}).get("barrier") == "none"):
        call("flush")
    if "reset" in offers:
        call("reset", queue="rehearsal/0", offset=0)
    call("pop", queue="rehearsal/nothing is here", count=1, invisible=HIDDEN)
    call("close")


def _receipts(popped: Any) -> Iterator[str]:
    for delivery in popped if isinstance(popped, list) else ():
        if isinstance(delivery, dict) and isinstance(delivery.get("receipt"), str):
            yield delivery["receipt"]
