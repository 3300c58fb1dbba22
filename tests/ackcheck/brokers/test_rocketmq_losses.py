"""What makes RocketMQ's losses again: the tears and copies of its files, without a broker."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ackcheck.brokers.rocketmq import losses
from ackcheck.brokers.rocketmq.commitlog import FIXED, record, records
from ackcheck.brokers.rocketmq.cuts import Seen

PAGE = losses.PAGE


def log_of(size: int) -> bytes:
    """A log whose second record begins at `size`."""
    first = record(b"", b"t", bytes(size - FIXED - 8))
    assert len(first) == size
    return first + record(b"body", losses.TIMER.encode(), b"TIMER_OUT_MS\x011792" + bytes(200))


def test_a_record_that_lies_across_a_page_is_found_only_if_the_boundary_is_in_its_properties() -> None:
    body = records(log_of(PAGE - 90))[-1]
    assert body.begin < PAGE < body.properties
    assert body.boundary(PAGE) is None
    properties = records(log_of(PAGE - 150))[-1]
    assert properties.topic == losses.TIMER
    assert properties.boundary(PAGE) == PAGE


@pytest.mark.parametrize("end", [10, 1000, 4000, 4096, 8000])
def test_filling_brings_the_boundary_into_the_properties_of_the_next_record(end: int) -> None:
    count = losses.steps_to(end, 163, 190, 360)
    assert 190 < -(end + 163 * count) % PAGE < 360


def test_what_is_cut_off_is_zeros_and_the_file_as_long_as_before(tmp_path: Path) -> None:
    path = tmp_path / "commitlog" / f"{0:020}"
    path.parent.mkdir()
    path.write_bytes(log_of(PAGE - 150).ljust(4 * PAGE, b"\0"))
    losses.cut_off(cast(losses.Broker, SimpleNamespace(data=tmp_path)), PAGE)
    told = path.read_bytes()
    assert len(told) == 4 * PAGE
    assert told[:PAGE].strip(b"\0") == log_of(PAGE - 150)[:PAGE].strip(b"\0")
    assert not told[PAGE:].strip(b"\0")


def test_a_copy_is_missing_where_its_source_is(tmp_path: Path) -> None:
    (tmp_path / "wheel").write_bytes(bytes(10))
    assert not losses.has_a_slot(tmp_path / "wheel")
    (tmp_path / "new").write_bytes(b"\0\1")
    losses.copy(tmp_path / "new", tmp_path / "wheel")
    assert losses.has_a_slot(tmp_path / "wheel")
    losses.copy(tmp_path / "nothing", tmp_path / "wheel")
    assert not os.path.lexists(tmp_path / "wheel")


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (Seen(set(), set(), 3, False, False), "nothing lost"),
        (Seen({9}, {1}, 3, False, False), "lost: torn record"),
        (Seen({9}, set(), 0, True, False), "lost: timer in a ring"),
        (Seen({9}, set(), 0, False, True), "lost: offsets ahead of the log"),
        (Seen({9}, set(), 0, False, False), "lost: silently"),
    ],
)
def test_a_loss_is_called_by_what_shows_of_its_cause(seen: Seen, kind: str) -> None:
    assert seen.kind == kind


def test_who_has_not_built_it_is_told_how(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        losses.main(["torn", "--built", str(tmp_path)])
    assert ended.value.code == 2
    assert "make brokers" in capsys.readouterr().err
