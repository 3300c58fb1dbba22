"""Files that are given to us: what is promised, what is expected, verdicts. Each is bounded, and read whole.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     _ = (Path(folder) / "promises.toml").write_text("grace = 6.0")
...     toml_of(Path(folder) / "promises.toml")
{'grace': 6.0}
>>> json_of(Path("/dev/zero"))
Traceback (most recent call last):
...
ackcheck.given.Unreadable: /dev/zero cannot be read as JSON: it is longer than 64 MiB
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ackcheck.promises import BadPromise, Promises, promises_of

MOST_BYTES = 64 << 20
"""Of a verdict: a thousand findings with long histories."""

MOST_SETTINGS = 1 << 20
"""Bytes of a file that people write by hand."""


class Unreadable(ValueError):
    """A file cannot be read as what it should be; the message says which, and why."""


def toml_of(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds; raises `Unreadable`."""
    try:
        return tomllib.loads(_text(path, MOST_SETTINGS))
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {_why(error)}") from error
    except ValueError as error:  # of which those of the decoders are some
        raise Unreadable(f"{path} cannot be read as TOML: {error}") from error
    except RecursionError as error:
        raise Unreadable(f"{path} cannot be read as TOML: it holds lists in lists, too deep to be read") from error


def json_of(path: Path) -> Any:
    """Return what a JSON file holds; raises `Unreadable`."""
    try:
        return json.loads(_text(path, MOST_BYTES))
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {_why(error)}") from error
    except ValueError as error:
        raise Unreadable(f"{path} cannot be read as JSON: {error}") from error
    except RecursionError as error:
        raise Unreadable(f"{path} cannot be read as JSON: it holds lists in lists, too deep to be read") from error


def read_promises(path: Path, more: Mapping[str, Any] | None = None) -> Promises:
    """Return the promises that a TOML file states, and more, which count before the file."""
    try:
        stated = toml_of(path)
    except Unreadable as error:
        raise BadPromise(str(error)) from error
    try:
        promises_of(stated)
    except BadPromise as error:
        raise BadPromise(f"{path}: {error}") from error
    return promises_of({**stated, **(more or {})})


def _text(path: Path, most: int) -> str:
    """Return a file's text; a pipe is read too, as a shell makes one of `<(command)`."""
    with path.open("rb") as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise ValueError(f"it is longer than {most >> 20} MiB")
    return found.decode("utf-8")


def _why(error: OSError) -> str:
    return error.strerror or str(error)
