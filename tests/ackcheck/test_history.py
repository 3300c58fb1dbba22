"""The history of a run: cut down to one message, and without what was the same hundreds of times."""

from ackcheck.history import FEW, TAIL, History, Line, folded


def asked(number: int, step: int = 2) -> list[Line]:
    """Return a pop that is answered BUSY."""
    return [Line(step, "client", f"pop 1 (operation {number})"), Line(step, "client", f"operation {number} is BUSY")]


def test_a_call_and_its_answer_over_and_over_are_counted() -> None:
    before, after = Line(2, "disk", "sync log: ok"), Line(2, "store", "the process dies")
    lines = [before, *(line for number in range(400) for line in asked(number)), after]
    counted = Line(2, "client", "the same, 398 times more")
    assert folded(lines) == (before, *asked(0), counted, *asked(399), after)


def test_what_comes_a_few_times_stands_as_it_is() -> None:
    lines = [line for number in range(FEW) for line in asked(number)]
    assert folded(lines) == tuple(lines)


def test_what_comes_once_a_step_stands_as_it_is() -> None:
    lines = [line for number in range(9) for line in asked(number, step=number)]
    assert folded(lines) == tuple(lines)


def test_a_block_that_ends_in_its_middle_keeps_its_beginning() -> None:
    lines = [line for number in range(5) for line in asked(number)] + asked(5)[:1]
    counted = Line(2, "client", "the same, 3 times more")
    assert folded(lines) == (*asked(0), counted, *asked(4), *asked(5)[:1])


def test_the_tail_is_taken_of_what_is_shown() -> None:
    history = History()
    for number in range(TAIL):
        history.add("disk", f"sync log {number}: ok")
    for number in range(500):
        history.add("client", f"operation {number} is answered BUSY")
    assert len(history.of(None)) == TAIL
    assert history.of(None)[0].text == "sync log 3: ok"
