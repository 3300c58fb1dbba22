"""Stores that notice damage late, or are never sure that they have closed, named `spoilt.py:Name`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ackcheck.rig.serve import load_factory

if TYPE_CHECKING:
    from tests.textbook.sealed import SealedLog
else:
    SealedLog = load_factory(f"{Path(__file__).parents[2] / 'textbook' / 'sealed.py'}:SealedLog")


class RefusesItsPops(SealedLog):
    """Right: it opens whatever is there, and says at the first pop what it has seen then."""

    why = ""

    def open(self, directory: Path) -> None:
        try:
            super().open(directory)
        except ValueError as error:
            self.why = str(error)

    def pop(self, *arguments: Any, **named: Any) -> Any:
        if self.why:
            raise ValueError(self.why)
        return super().pop(*arguments, **named)


class RefusesItsPopsUnnamed(RefusesItsPops):
    """Wrong: it names no file."""

    def pop(self, *arguments: Any, **named: Any) -> Any:
        if self.why:
            raise ValueError("malformed")
        return super().pop(*arguments, **named)


class NeverSure(SealedLog):
    """Right: a close that is answered UNKNOWN promises nothing."""

    def close(self) -> str:
        super().close()
        return "UNKNOWN"
