"""Which requests a fault meets, what comes of them, and what is refused as no fault at all."""

import errno
import json
from typing import Any

import pytest

from ackcheck.disk.blocks import BLOCK, SECTOR, Blocks
from ackcheck.disk.errors import BadFault
from ackcheck.disk.faults import ALLOWED, Armed, Fault, parsed
from ackcheck.disk.requests import MOST_ARMED, MOST_HELD, Answer, Requests
from ackcheck.disk.server import obeyed


class Bench:
    """Requests on a clock of our own, and the answers as they come."""

    def __init__(self) -> None:
        self.now = 0.0
        self.answers: dict[int, Answer] = {}
        self.cuts = 0
        self.blocks = Blocks(64 * BLOCK)
        self.requests = Requests(self.blocks, self.answers.__setitem__, clock=lambda: self.now, on_cut=self._cut)
        self._next = 0

    def _cut(self) -> None:
        self.cuts += 1

    def write(self, block: int = 0, data: bytes = b"x" * BLOCK) -> int:
        self._next += 1
        self.requests.write(self._next, block * BLOCK, data)
        return self._next

    def flush(self) -> int:
        self._next += 1
        self.requests.flush(self._next)
        return self._next

    def read(self, block: int = 0, size: int = BLOCK) -> int:
        self._next += 1
        self.requests.read(self._next, block * BLOCK, size)
        return self._next

    def at(self, now: float) -> None:
        self.now = now
        self.requests.tick()

    def code(self, number: int) -> int | None:
        answer = self.answers[number]
        return answer.errno if isinstance(answer, OSError) else None


def test_fault_travels_as_json_and_back() -> None:
    fault = Fault(on="write", do="tear", blocks=((3, 2),), holding=b"\xff\0", after=2, times=1, sectors=3)
    assert parsed(json.loads(json.dumps(fault.message()))) == fault
    slow = Fault(on="read", do="slow", seconds=0.5)
    assert parsed(json.loads(json.dumps(slow.message()))) == slow


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"on": "write"},
        {"on": "write", "do": "lie"},
        {"on": "sync", "do": "eio"},
        {"on": "write", "do": "eio", "blocks": [[-1, 2]]},
        {"on": "write", "do": "eio", "blocks": [[1, 0]]},
        {"on": "write", "do": "eio", "blocks": [[1]]},
        {"on": "flush", "do": "eio", "blocks": [[1, 1]]},
        {"on": "write", "do": "eio", "holding": "*"},
        {"on": "read", "do": "eio", "holding": "eA=="},
        {"on": "write", "do": "eio", "after": -1},
        {"on": "write", "do": "eio", "times": 0},
        {"on": "flush", "do": "stall", "seconds": -1.0},
        {"on": "flush", "do": "stall", "seconds": 1e9},
        {"on": "flush", "do": "slow", "rate": 0},
        {"on": "flush", "do": "eio", "color": "red"},
        {"on": "write", "do": "tear", "sectors": -1},
    ],
)
def test_what_is_no_fault_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(BadFault):
        parsed(message)


@pytest.mark.parametrize(
    "command", [{}, {"op": "burn"}, {"op": "hits", "number": 9}, {"op": "disarm", "number": 9}, [1], {"op": "arm"}]
)
def test_what_is_no_command_is_refused(command: Any) -> None:
    with pytest.raises(BadFault):
        obeyed(Bench().requests, command)


def test_image_that_is_not_there_is_refused() -> None:
    bench = Bench()
    bench.write()
    obeyed(bench.requests, {"op": "cut"})
    for epoch, blocks in ((2, {}), (-1, {}), (1, {"0": [1, 255]}), (0, {"0": [2, 255]}), (0, {"7": [1, 255]})):
        with pytest.raises(BadFault):
            obeyed(bench.requests, {"op": "show", "epoch": epoch, "blocks": blocks})
    obeyed(bench.requests, {"op": "show", "epoch": 0, "blocks": {"0": [1, 255]}})


def test_there_are_only_so_many_faults() -> None:
    bench = Bench()
    for _ in range(MOST_ARMED):
        bench.requests.arm(Fault(on="flush", do="eio"))
    with pytest.raises(BadFault, match="take one back"):
        bench.requests.arm(Fault(on="flush", do="eio"))


def test_every_kind_of_fault_is_met_where_it_may_be_and_nowhere_else() -> None:
    for do, ons in ALLOWED.items():
        for on in ons:
            armed = Armed(1, Fault(on=on, do=do, seconds=1.0))
            met = [armed.meets(other, 0, BLOCK, b"") for other in ("write", "flush", "read")]
            assert sum(met) == armed.hits == 1


@pytest.mark.parametrize(("do", "code"), [("eio", errno.EIO), ("enospc", errno.ENOSPC)])
def test_refused_write_changes_nothing_and_refused_flush_makes_nothing_certain(do: Any, code: int) -> None:
    bench = Bench()
    bench.write(0, b"a" * BLOCK)
    bench.requests.arm(Fault(on="write", do=do))
    bench.requests.arm(Fault(on="flush", do=do))
    assert bench.code(bench.write(0, b"b" * BLOCK)) == code
    assert bench.code(bench.flush()) == code
    assert (bench.blocks.read(0, 1), bench.blocks.certain(0, 1)) == (b"a", b"\0")
    assert bench.requests.counts["refused"] == 2


def test_fault_by_text_by_block_and_by_number() -> None:
    bench = Bench()
    text = bench.requests.arm(Fault(on="write", do="eio", holding=b"ACK"))
    place = bench.requests.arm(Fault(on="write", do="enospc", blocks=((4, 1),), after=1, times=1))
    codes = [bench.code(bench.write(block, data)) for block, data in ((0, b"..ACK.."), (0, b"A.CK"), (4, b"1"))]
    codes += [bench.code(bench.write(block, b"x")) for block in (5, 4, 4)]
    assert codes == [errno.EIO, None, None, None, errno.ENOSPC, None]
    assert (bench.requests.hits(text), bench.requests.hits(place)) == (1, 1)
    bench.requests.disarm()
    assert bench.requests.hits(text) == 1
    assert bench.code(bench.write(0, b"ACK")) is None


def test_stalled_flush_covers_what_came_before_it_began() -> None:
    bench = Bench()
    bench.write(0)
    bench.requests.arm(Fault(on="flush", do="stall", seconds=0.5))
    flush = bench.flush()
    bench.write(1)
    bench.at(0.4)
    assert (flush in bench.answers, bench.blocks.certain(0, 1), bench.requests.wait()) == (False, b"\0", 0.5 - 0.4)
    bench.at(0.5)
    assert (flush in bench.answers, bench.blocks.certain(0, 1), bench.blocks.certain(BLOCK, 1)) == (True, b"x", b"\0")
    assert bench.requests.counts["stalled"] == 1


def test_what_nobody_lets_go_is_let_go_by_itself() -> None:
    bench = Bench()
    bench.requests.arm(Fault(on="flush", do="stall"))
    first = bench.flush()
    bench.at(MOST_HELD - 1.0)
    assert first not in bench.answers
    bench.at(MOST_HELD)
    assert first in bench.answers
    assert obeyed(bench.requests, {"op": "counts"})["overdue"] == 1


def test_what_is_held_is_let_go_and_the_fault_stays() -> None:
    bench = Bench()
    number = bench.requests.arm(Fault(on="write", do="stall"))
    first = bench.write(0)
    assert (bench.answers, bench.requests.waiting, bench.blocks.read(0, 1)) == ({}, 1, b"\0")
    assert bench.requests.let_go(number) == 1
    assert (bench.answers, bench.blocks.read(0, 1)) == ({first: BLOCK}, b"x")
    second = bench.write(1)
    assert second not in bench.answers
    bench.requests.disarm(number)
    assert second in bench.answers


def test_slow_disk_takes_its_time_over_every_byte() -> None:
    bench = Bench()
    bench.requests.arm(Fault(on="write", do="slow", seconds=0.25, rate=BLOCK))
    first, second = bench.write(0), bench.write(1)
    bench.at(1.0)
    assert first not in bench.answers
    bench.at(1.25)
    assert (first in bench.answers, second in bench.answers) == (True, False)
    bench.at(2.5)
    assert second in bench.answers


def test_lying_flush_and_dropped_write_are_answered_like_good_ones() -> None:
    bench = Bench()
    bench.write(0)
    lie = bench.requests.arm(Fault(on="flush", do="lie", times=1))
    assert bench.answers[bench.flush()] is None
    assert (bench.blocks.certain(0, 1), bench.requests.hits(lie)) == (b"\0", 1)
    bench.requests.arm(Fault(on="write", do="drop"))
    assert bench.answers[bench.write(1)] == BLOCK
    assert bench.blocks.read(BLOCK, 1) == b"\0"
    bench.flush()
    assert bench.blocks.certain(0, 1) == b"x"
    assert (bench.requests.counts["lied"], bench.requests.counts["dropped"]) == (1, 1)


def test_torn_write_stores_its_first_sectors() -> None:
    bench = Bench()
    bench.requests.arm(Fault(on="write", do="tear", sectors=2))
    assert bench.code(bench.write(0)) == errno.EIO
    assert bench.blocks.read(0, BLOCK).count(b"x") == 2 * SECTOR


def test_rot_turns_one_bit_for_good() -> None:
    bench = Bench()
    bench.write(0, bytes(BLOCK))
    bench.requests.arm(Fault(on="read", do="rot", bit=8 * 100 + 3, times=1))
    answers = [bench.answers[bench.read()] for _ in range(2)]
    assert answers[0] == answers[1] == bytes(100) + b"\x08" + bytes(BLOCK - 101)


def test_without_power_nothing_is_answered_and_nothing_more_is_certain() -> None:
    bench = Bench()
    bench.write(0, b"a" * BLOCK)
    bench.flush()
    bench.write(0, b"b" * BLOCK)
    bench.requests.arm(Fault(on="flush", do="cut", after=1))
    before = bench.flush()
    bench.write(1)
    at_cut, later = bench.flush(), bench.write(2)
    assert (before in bench.answers, at_cut in bench.answers, later in bench.answers, bench.cuts) == (
        True,
        False,
        False,
        1,
    )
    bench.requests.go_on()
    assert bench.answers[later] == BLOCK
    assert bench.blocks.certain(0, 1) == b"b"
    assert [sorted(epoch) for epoch in bench.blocks.epochs()] == [[1], [2]]
