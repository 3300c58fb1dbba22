"""The command `ackcheck`: one module of this package is one subcommand.

A module `ackcheck.cli.NAME` holds a click command of the same name; it is found by being there, and imported only when
it is used or listed; other packages add theirs by entry point (`ackcheck.lab`). Modules whose name begins with an
underscore are helpers. Exit codes, for every command: 0 kept, 1 broken, 2 usage, 3 the target or the environment
failed, 4 not judged, 130 interrupted (Ctrl-C).

>>> from click.testing import CliRunner
>>> CliRunner().invoke(main, ["--version"]).output.startswith("ackcheck, version")
True
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
import platform
import sys
from pathlib import Path
from typing import Any

import click

from ackcheck import lab
from ackcheck.cli._ending import status_of
from ackmodel import VERSION

ORDER = (
    *("new", "run", "report", "compare", "claim", "ledger", "trace"),
    *("explore", "walks", "vectors", "bugs", "spec", "vendor", "bench"),
)
"""The commands in the order of a reader's use; others follow by name."""


class _Commands(click.Group):
    """A group whose commands are the modules of this package."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command, and end the process with its exit code; not in standalone mode, as click's groups do."""
        run = functools.partial(super().main, *args, standalone_mode=False, **extra)
        return sys.exit(status_of(run)) if standalone_mode else run()

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        own = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
        names = {*own, *lab.named(lab.COMMANDS)}
        return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        added = lab.named(lab.COMMANDS).get(cmd_name)
        command = added.load() if added else getattr(importlib.import_module(f"{__name__}.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command), f"{cmd_name} is no click command"
        return command


def _built() -> str:
    """Return what else a report of a bug should say: the model, Python, and what of the store is compiled."""
    store = importlib.util.find_spec("ackstore")
    home = Path(store.origin).parent if store is not None and store.origin else None
    compiled = sorted({path.name.partition(".")[0] for path in home.rglob("*.so")}) if home else []
    fast = f"compiled: {', '.join(compiled)}" if compiled else "nothing compiled"
    return f"specification {VERSION}, Python {platform.python_version()}, {fast}"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    package_name="ackcheck", prog_name="ackcheck", message=f"%(prog)s, version %(version)s; {_built()}"
)
def main() -> None:
    """Check which promise an acknowledgement store keeps under which fault."""
