"""How a command ends, whatever happens in it: with an exit code that says what it means, and a message.

An exception that nobody has foreseen says nothing of the clauses: it is exit code 3, and never 1, which means broken.

>>> status_of(lambda: 1), status_of(lambda: None)
(1, 0)
>>> def unforeseen() -> None:
...     raise LookupError("no such page")
>>> status_of(unforeseen)
3
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import click

from ackcheck.cli._output import ENVIRONMENT
from ackcheck.signs import clean

INTERRUPTED = 130
"""The exit code after Ctrl-C, as a shell gives it; and where somebody else asks us to end, as a CI that has waited long
enough does."""

ASKED_TO_END = (signal.SIGTERM, signal.SIGHUP)
"""Signals that are taken for Ctrl-C: what was started is ended, and mounts and folders are given back."""

TRACEBACK = "ACKCHECK_TRACEBACK"
"""The environment variable that asks for the whole traceback of what nobody has foreseen."""

PLAIN = {"→": "->", "…": "...", "·": "-", "–": "-", "—": "-", "×": "x", "≥": ">=", "≤": "<="}  # noqa: RUF001
"""What a terminal is shown that knows no more than ASCII; of other signs, a question mark."""


def status_of(run: Callable[[], object]) -> int:
    """Run a command, and return its exit code. What it raises is told on the standard error."""
    for stream in (sys.stdout, sys.stderr):
        _make_printable(stream)
    try:
        with _asked_to_end():
            returned = run()
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # which click takes for Ctrl-D
            return _unforeseen(error.__cause__)
        _tell("\ninterrupted: no verdict")
        return INTERRUPTED
    except BrokenPipeError:  # who reads us has seen enough: `| head`
        _give_up_output()
        return ENVIRONMENT
    except SystemExit:  # so says click of a closed pipe that it met first; no command of ours exits by itself
        return ENVIRONMENT
    except OSError as error:
        _give_up_output()
        where = f" ({error.filename})" if error.filename else ""
        _tell(f"Error: no verdict: {error.strerror or error}{where}; {_place(error)}")
        return ENVIRONMENT
    except Exception as error:  # the top of the command: whatever it is, it says nothing of the clauses
        return _unforeseen(error)
    return returned if isinstance(returned, int) else 0


@contextlib.contextmanager
def _asked_to_end() -> Iterator[None]:
    """Take being asked to end for Ctrl-C, once: what comes after must not interrupt the tidying up."""
    ours, before = os.getpid(), dict[signal.Signals, Any]()

    def interrupt(asked: int, _frame: object) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        if os.getpid() == ours:
            raise KeyboardInterrupt
        signal.signal(asked, signal.SIG_DFL)  # a process that we forked, and that somebody ends
        os.kill(os.getpid(), asked)

    if threading.current_thread() is threading.main_thread():  # others may set no handler
        before.update((number, signal.getsignal(number)) for number in ASKED_TO_END)
        for number, handler in before.items():
            if handler is signal.SIG_DFL:  # `nohup` has it ignored
                signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unforeseen(error: Exception) -> int:
    _tell(f"Error: no verdict: {type(error).__name__}: {error}; {_place(error)}")
    return ENVIRONMENT


def _place(error: Exception) -> str:
    """Return where something unforeseen came from, and how to see more of it."""
    if os.environ.get(TRACEBACK):
        return "\n" + "".join(traceback.format_exception(error))
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"at {last.filename}:{last.lineno}; {TRACEBACK}=1 shows the whole way there"


def _tell(message: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(clean(message), err=True)


def _give_up_output() -> None:
    """Let go of a standard output that takes nothing, so that the interpreter does not try once more at its end."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


def _make_printable(stream: TextIO) -> None:
    """Have a stream that cannot encode a sign show something plainer instead."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="ackcheck.plain")


def _plainer(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in signs), error.end


codecs.register_error("ackcheck.plain", _plainer)
