"""Serves a Python target to a rig: `python -m ackcheck.rig.serve --target module:factory --dir D`.

The factory is called without arguments and returns an `ackcheck.target.Target`; `file.py:factory`
names one that no installed module holds. With `--threads N` up to N requests run at once, so that
several acks are in the store when the process is killed, and when it is closed; `open` runs alone, and so does `leave`,
as the calls of one consumer take effect in their order. A request of the target's that raises is answered with the
exception, and the target goes on.

    >>> load_factory("collections:OrderedDict")().__class__.__name__
    'OrderedDict'
    >>> load_factory("collections")
    Traceback (most recent call last):
        ...
    ValueError: 'collections' names no factory; write module:factory or path/to/file.py:factory
"""

import argparse
import importlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from ackcheck.rig.errors import ProtocolError
from ackcheck.rig.shape import Extended, Target, lacks
from ackcheck.rig.wire import LINE_LIMIT, RequestLine, decode_request, encode
from ackcheck.target import OPERATIONS, OPTIONAL

ALONE = ("open", "leave")
SHOWN_MESSAGE = 4096  # characters of an exception's message that travel
LAST_SECONDS = 30.0  # for the requests that still run when the input ends
QUEUED = 1024  # requests taken in ahead of the threads; beyond it the pipe pushes back


def load_factory(name: str) -> Callable[[], Any]:
    """Return the object that `module:factory` or `file.py:factory` names."""
    module_name, colon, attribute = name.rpartition(":")
    if not colon or not module_name or not attribute:
        raise ValueError(f"{name!r} names no factory; write module:factory or path/to/file.py:factory")
    if module_name.endswith(".py"):
        spec = spec_from_file_location(Path(module_name).stem, module_name)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[spec.name] = module  # attrs and typing look their module up there
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(module_name)
    factory: Callable[[], Any] = getattr(module, attribute)
    return factory


class Server:
    """Runs requests on a target with a few threads, and writes each reply once it is there."""

    def __init__(self, target: Any, directory: Path, output: int, *, threads: int = 1) -> None:
        self._target = target
        self._directory = directory
        self._output = output
        self._writing = threading.Lock()
        self._waiting: queue.Queue[RequestLine] = queue.Queue(QUEUED)
        for number in range(threads):
            threading.Thread(target=self._work, name=f"request-{number}", daemon=True).start()

    def serve(self, lines: Iterator[bytes]) -> None:
        """Take requests until the input ends. A line that is no request raises `ProtocolError`."""
        for line in lines:
            request = decode_request(line)
            if request.op in ALONE:
                self._waiting.join()
                self._answer(request)
            else:
                self._waiting.put(request)
        # Nobody may be left to kill a target that hangs, so the wait for it ends by itself.
        with self._waiting.all_tasks_done:
            self._waiting.all_tasks_done.wait_for(lambda: self._waiting.unfinished_tasks == 0, LAST_SECONDS)

    def _work(self) -> None:
        while True:
            request = self._waiting.get()
            try:
                self._answer(request)
            finally:
                self._waiting.task_done()

    def _answer(self, request: RequestLine) -> None:
        try:
            line = encode({"id": request.id, "result": self._run(request)})
        except Exception as error:  # the top of a request: whatever the target raised is its reply
            reason = {"type": type(error).__name__, "message": str(error)[:SHOWN_MESSAGE]}
            line = encode({"id": request.id, "error": reason})
        try:
            with self._writing:
                while line:
                    line = line[os.write(self._output, line) :]
        except BrokenPipeError:
            os._exit(0)  # the rig is gone: no one is left to answer, on any thread

    def _run(self, request: RequestLine) -> Any:
        known = OPERATIONS - OPTIONAL | set(offers_of(self._target)["offers"])
        if request.op not in known:
            raise ProtocolError(f"no operation {request.op!r}; there are {', '.join(sorted(known))}")
        method = getattr(self._target, request.op)
        if request.op == "open":
            method(self._directory)
            return offers_of(self._target)
        return method(**request.arguments)


def offers_of(target: Any) -> dict[str, Any]:
    """Return what the answer to `open` says of a target: which of `ackcheck.target.Extended` it has."""
    offers = sorted(op for op in OPTIONAL if callable(getattr(target, op, None)))
    offered = {"offers": offers, "max_attempts": getattr(target, "max_attempts", None)}
    promises = getattr(target, "promises", None)
    return offered if promises is None else {**offered, "promises": promises}


def lines_of(descriptor: int, limit: int = LINE_LIMIT) -> Iterator[bytes]:
    """Yield the lines that come from a descriptor, as they come. Raises `ProtocolError` over `limit`."""
    pending = b""
    while chunk := os.read(descriptor, 1 << 16):
        *lines, pending = (pending + chunk).split(b"\n")
        yield from lines
        if len(pending) > limit:
            raise ProtocolError(f"a request over {limit} bytes; split it")


class Options(argparse.Namespace):
    """The command line."""

    target: str
    dir: Path
    threads: int
    control: int
    """Of a nursery (`ackcheck.rig.nursery`)."""


def parser(program: str, about: str) -> argparse.ArgumentParser:
    """Return what reads a command line that names a target."""
    parser = argparse.ArgumentParser(prog=program, description=about.splitlines()[0])
    parser.add_argument("--target", required=True, help="module:factory or file.py:factory")
    parser.add_argument("--dir", required=True, type=Path, help="the store's directory; must exist")
    parser.add_argument("--threads", type=int, default=1, help="requests that run at once")
    return parser


def run(options: Options, factory: Callable[[], Callable[[], Any]]) -> int:
    """Serve what a factory makes; return the exit status: 0 at the end of input, 2 for a wrong line or target."""
    # A target that prints would garble the protocol: from here on its output goes to stderr.
    output = os.dup(1)
    os.dup2(2, 1)
    target = factory()()
    if wrong := lacks(target, Target, Extended):
        print("\n".join(["ackcheck.rig.serve: the target is not as ackcheck.target has it:", *wrong]), file=sys.stderr)
        return 2
    server = Server(target, options.dir, output, threads=max(1, options.threads))
    try:
        server.serve(lines_of(0))
    except ProtocolError as error:
        print(f"ackcheck.rig.serve: {error}", file=sys.stderr)
        return 2
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = parser("ackcheck.rig.serve", __doc__).parse_args(arguments, Options())
    return run(options, lambda: load_factory(options.target))


if __name__ == "__main__":
    sys.exit(main())
