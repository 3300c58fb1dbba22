"""A store that is wrong only with what was given back; named `given_back.py:SettlesGivenBack`."""

from pathlib import Path
from typing import TYPE_CHECKING

from ackcheck.rig.serve import load_factory

if TYPE_CHECKING:
    from tests.ackcheck.grades.toys import Extended
else:
    Extended = load_factory(f"{Path(__file__).with_name('toys.py')}:Extended")


class SettlesGivenBack(Extended):
    """An ack of a delivery that was given back counts, until the message is handed out again."""

    def ack(self, receipt: str) -> str:
        with self.lock:
            key = self.where.get(receipt)
            if key is None or key in self.acked or self.newest[key] != receipt or self.hidden[key]:
                return super().ack(receipt)
            self.settle(key)
            return "OK"
