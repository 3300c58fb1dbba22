"""Textbook stores that know their consumers, right and wrong; named `tests/textbook/consumers.py:Name`.

>>> import tempfile
>>> store = ConsumerLog()
>>> with tempfile.TemporaryDirectory() as directory:
...     store.open(Path(directory))
...     store.publish("q", 2)
...     [given] = store.pop("q", 1, invisible=30.0, consumer="ada")
...     [_] = store.pop("q", 1, invisible=30.0, consumer="bao")
...     store.leave("ada"), store.ack(given["receipt"])
...     [again["offset"] for again in store.pop("q", 9, invisible=30.0, consumer="bao")]
('OK', 'EXPIRED')
[0]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ackcheck.rig.serve import load_factory
from ackcheck.target import Delivery

if TYPE_CHECKING:
    from tests.textbook.files import AppendLog
else:
    AppendLog = load_factory(f"{Path(__file__).with_name('files.py')}:AppendLog")


class ConsumerLog(AppendLog):
    """Right, at level disk: what a consumer has in hand when it leaves is due at once, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.hands: dict[str, list[str]] = {}

    def pop(self, queue: str, count: int, invisible: float, consumer: str = "") -> Sequence[Delivery] | str:
        with self.lock:
            given = super().pop(queue, count, invisible)
            self.hands.setdefault(consumer, []).extend(one["receipt"] for one in given if not isinstance(one, str))
            return given

    def leave(self, consumer: str) -> str:
        with self.lock:
            self.give_back(self.hands.pop(consumer, []))
            return "OK"

    def give_back(self, receipts: Sequence[str]) -> None:
        """A pop record with no time left: the message is due, and the receipt is over."""
        held = [receipt for receipt in receipts if self.shelf.standing(receipt) == "OK"]
        self.save([self.shelf.pop_record(self.shelf.where[receipt], 0.0, receipt) for receipt in held])


class GivesBackAll(ConsumerLog):
    """Wrong at every level: when one consumer leaves, what the others have is due too. Refused by deadline-is-exact."""

    def leave(self, consumer: str) -> str:
        with self.lock:
            self.give_back([receipt for hands in self.hands.values() for receipt in hands])
            return "OK"


class GivesBackNothing(ConsumerLog):
    """Wrong at every level: what a consumer had that has left waits for its deadline. Refused by no-limbo."""

    def give_back(self, receipts: Sequence[str]) -> None:
        pass


class GivesBackTheAcked(ConsumerLog):
    """Wrong at every level: a leave forgets what the consumer has acked. Refused by no-return."""

    def give_back(self, receipts: Sequence[str]) -> None:
        super().give_back(receipts)
        self.shelf.acked -= {self.shelf.where[receipt] for receipt in receipts}
        self.shelf.hidden.update(dict.fromkeys((self.shelf.where[receipt] for receipt in receipts), 0.0))


class LeavesTwice(ConsumerLog):
    """Wrong at every level: it sees that a consumer has gone only when the name comes again, and takes what that was
    handed since. Refused by receipt-is-exact, no-limbo or deadline-is-exact.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()

    def pop(self, queue: str, count: int, invisible: float, consumer: str = "") -> Sequence[Delivery] | str:
        with self.lock:
            given = super().pop(queue, count, invisible, consumer)
            if consumer in self.gone:
                self.gone.remove(consumer)
                super().leave(consumer)
            return given

    def leave(self, consumer: str) -> str:
        with self.lock:
            self.gone.add(consumer)
            return "OK"
