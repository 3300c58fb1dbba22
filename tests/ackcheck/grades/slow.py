"""A slow store that never hands out the first message of a queue; named `slow.py:KeepsOne`."""

from pathlib import Path
from typing import TYPE_CHECKING

from ackcheck.rig.serve import load_factory

if TYPE_CHECKING:
    from tests.ackcheck.grades.toys import Slow
else:
    Slow = load_factory(f"{Path(__file__).with_name('toys.py')}:Slow")


class KeepsOne(Slow):
    """And the rest comes again and again."""

    def ready(self, key: tuple[str, int]) -> bool:
        return key[1] > 0 and super().ready(key)
