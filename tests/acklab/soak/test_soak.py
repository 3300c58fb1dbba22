"""The soak as a whole: what it finds in stores that are wrong, and that the memory criterion can fail."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import evolve

from ackcheck.findings import GradeReport
from acklab.soak import campaign, dead, run_soak, settings
from acklab.soak.disk import FaultyDisk
from acklab.soak.memory import FORGETS, MIB, Samples
from acklab.zoo import bug_named
from ackmodel import Clause, Level
from ackmodel.observe.broken import Broken
from ackmodel.observe.remembered import remembered
from ackstore import Reply, Store
from ackstore.core.core import Core
from ackstore.core.flusher import Flusher

PATIENCE = 2.5, 10.0, 40.0
"""Seconds: how much is done in some of them is a matter of how busy the machine is."""


def soaked(level: Level, enough: Callable[[GradeReport], bool], **given: Any) -> GradeReport:
    """A soak, and a longer one where that was not enough."""
    return next(
        (report for seconds in PATIENCE[:-1] if enough(report := run_soak(level, seconds=seconds, **given))),
        None,
    ) or run_soak(level, seconds=PATIENCE[-1], **given)


def is_broken(report: GradeReport) -> bool:
    return report.finding is not None


def quick_soak(core: type[Core] = Core, *, level: Level = Level.PAGE_CACHE) -> GradeReport:
    return run_soak(level, seed=1, seconds=3.0, threads=8, core_class=core)


@pytest.mark.parametrize("level", Level)
def test_the_reference_store_keeps_its_level(level: Level) -> None:
    asked = ("pop", "ack", "ack_many", "renew", "release", "flush", "survey", "look", "answered OK")
    report = soaked(level, lambda report: all(report.ran[what] for what in asked), seed=3)
    assert report.finding is None
    assert [what for what in asked if not report.ran[what]] == []
    assert report.checked[Clause.NO_RETURN] > 0
    assert report.figures["MiB resident"] > 0


@pytest.mark.parametrize(
    ("name", "clauses"),
    [
        (
            "ack-success-despite-put-failure",
            {"no-return", "survives-process-crash", "survives-power-loss", "receipt-is-exact", "close-drains"},
        ),
        ("late-ack-ignored-forever", {"receipt-is-exact", "no-return"}),
        ("ack-state-mutated-before-persist", {"receipt-is-exact", "survives-process-crash", "no-return"}),
    ],
)
def test_a_broken_store_is_found_with_the_history_of_the_message(name: str, clauses: set[str]) -> None:
    report = soaked(Level.PAGE_CACHE, is_broken, seed=1, core_class=bug_named(name).core, threads=8)
    assert report.finding is not None
    assert report.finding.clause.value in clauses
    assert report.finding.grade == "soak"
    assert any("Popped" in line.text for line in report.finding.lines)  # a power loss may stand before it


def test_what_power_loss_takes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "STOPS", ("power loss",))
    core = bug_named("flushed-watermark-advances-on-fsync-error").core
    report = soaked(Level.DISK, is_broken, seed=1, core_class=core, threads=8)
    assert report.finding is not None
    assert report.finding.clause is Clause.SURVIVES_POWER_LOSS


class Leaking(Core):
    """Keeps something of every request for ever."""

    kept: ClassVar[list[bytes]] = []

    def submit(self, *arguments: Any) -> None:
        self.kept.append(bytes(128 << 10))
        super().submit(*arguments)


def test_memory_that_grows_is_found() -> None:
    def found(report: GradeReport) -> bool:
        Leaking.kept.clear()
        return report.figures.get("MiB grown after the warm-up", 0.0) > 8

    leaking = soaked(Level.PAGE_CACHE, found, seed=1, core_class=Leaking, memory_after=0.0, threads=8)
    Leaking.kept.clear()
    assert leaking.figures["MiB grown after the warm-up"] > 8
    assert leaking.finding is not None
    assert leaking.finding.clause is Clause.MEMORY_IS_BOUNDED
    assert "resident memory grew" in leaking.finding.why


def test_memory_that_is_flat_is_told() -> None:
    report = run_soak(Level.PAGE_CACHE, seed=1, memory_after=0.0, allowed=64 * MIB, seconds=4.0, threads=8)
    assert report.finding is None
    assert report.figures["MiB grown after the warm-up"] < 64


def test_a_call_without_an_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def hang(*_: object) -> Reply:
        go_on.wait(60.0)
        return Reply.UNKNOWN

    monkeypatch.setattr(campaign, "HANGS", 3.0)
    monkeypatch.setattr(Store, "renew", hang)
    report = soaked(Level.DISK, lambda report: report.finding is not None, seed=1, threads=8)
    go_on.set()
    assert report.finding is not None
    assert report.finding.clause is Clause.REPLY_EXACTLY_ONCE
    assert "has had no answer" in report.finding.why


class Raising(Core):
    """Meets an unexpected error."""

    def submit(self, op: int, *arguments: Any) -> None:
        if op == 60:
            raise ZeroDivisionError("nobody foresaw this")
        super().submit(op, *arguments)


def test_a_store_that_breaks_is_found() -> None:
    report = quick_soak(Raising)
    assert report.finding is not None
    assert "nobody foresaw this" in report.finding.why


def test_a_directory_that_cannot_be_opened_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(disk: Any) -> None:
        (disk.path / "offsets").write_bytes(b"spoilt")

    monkeypatch.setattr(campaign, "DISKS", (FaultyDisk,))
    monkeypatch.setattr(FaultyDisk, "lose_power", spoil)
    monkeypatch.setattr(campaign, "STOPS", ("power loss",))
    report = quick_soak()
    assert report.finding is not None
    assert report.finding.clause is Clause.SURVIVES_POWER_LOSS
    assert "OffsetsDamaged" in report.finding.why


class TestDeadDisk:
    """Each of these stores is well but for what it does when no sync returns."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Dead from early on; given up and refused soon, so that little time shows much."""
        monkeypatch.setattr(campaign, "BEGINS", 0.0)
        monkeypatch.setattr(campaign, "SHARE", 0.9)
        monkeypatch.setattr(dead, "LONG_ENOUGH", 1.0)
        impatient = {"sync_timeout": 0.1, "retry_first": 0.02, "retry_limit": 0.05, "op_timeout": 0.3}
        for level, config in settings.SOAKED_AT.items():
            few = {**impatient, "max_sync_failures": 30 if level == "page-cache" else 8}
            monkeypatch.setitem(settings.SOAKED_AT, level, evolve(config, **few))  # type: ignore[arg-type]

    def soaked(self, core: type[Core] = Core, seconds: float = 6.0, **given: Any) -> GradeReport:
        return run_soak(Level.PAGE_CACHE, seed=1, core_class=core, seconds=seconds, threads=8, **given)

    def test_the_reference_store_stays_within_its_limits_and_comes_back(self) -> None:
        report = self.soaked(allowed=64 * MIB)
        assert report.finding is None
        assert report.ran["dead disk"] == 1
        assert report.ran["dead disk: syncs that hung"] == settings.SOAKED.flush_threads
        assert report.ran["dead disk: answered BUSY"] > 0
        assert report.figures["s the disk was dead"] == 5.4
        assert report.figures["KiB dirty then, at most"] > 0
        assert report.figures["MiB grown while the disk was dead"] < 64

    @pytest.mark.no_cover
    def test_memory_that_grows_then_is_found(self) -> None:
        report = self.soaked(allowed=-(1 << 40))
        assert report.finding is not None
        assert "on a dead disk resident memory grew" in report.finding.why

    def test_a_buffer_without_a_limit_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(campaign, "LIMIT", 60)
        monkeypatch.setattr(campaign, "SPILL", 0)
        monkeypatch.setitem(
            settings.SOAKED_AT,
            "page-cache",
            evolve(settings.SOAKED_AT["page-cache"], max_unflushed_records=60),
        )
        core = bug_named("unbounded-buffer-when-store-unwritable").core
        found = (self.soaked(core, seconds=20.0).finding for _ in range(3))  # now and then something else falls first
        assert any(one and one.clause is Clause.MEMORY_IS_BOUNDED and "unflushed_records" in one.why for one in found)

    @pytest.mark.no_cover  # how fast memory grows is a matter of speed
    def test_a_copy_for_every_retry_is_found(self) -> None:
        class RetriesForEver(Flusher):
            @property
            def blocked(self) -> bool:
                return False

        class Copying(Core):
            flusher_class = RetriesForEver

        def found(report: GradeReport) -> bool:
            return report.finding is not None

        report = next(filter(found, (self.soaked(Copying, seconds) for seconds in (10.0, 40.0))))
        assert report.finding is not None
        # To write a copy for every retry takes time, too: on a busy machine calls wait for it until they are late.
        assert report.finding.clause in (Clause.MEMORY_IS_BOUNDED, Clause.REPLY_EXACTLY_ONCE)
        assert re.search("on a dead disk|has had no answer", report.finding.why)

    def test_a_store_that_never_comes_back_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class StaysDegraded(Flusher):
            def _count(self, failures: int) -> None:
                before = self.mode
                super()._count(failures)
                if before != self.config.mode:
                    self.mode = before

        class Degraded(Core):
            flusher_class = StaysDegraded

        monkeypatch.setattr(campaign, "HANGS", 2.0)
        report = self.soaked(Degraded, seconds=3.0)
        assert report.finding is not None
        assert report.finding.clause is Clause.FLUSH_DEGRADES

    def test_a_client_that_is_kept_waiting_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dead, "LATE", -0.25)
        report = self.soaked(seconds=4.0)
        assert report.finding is not None
        assert "has had no answer" in report.finding.why

    def test_a_store_that_tells_nobody_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dead.DeadDisk, "_busy", lambda _stretch: 0)
        report = self.soaked()
        assert report.finding is not None
        assert "nobody is told BUSY" in report.finding.why


def test_acks_take_the_fast_path() -> None:
    report = soaked(Level.PAGE_CACHE, lambda report: bool(report.ran["ack, the fast path"]), seed=3)
    assert report.finding is None
    assert report.ran["ack, the fast path"] > 0


@pytest.mark.no_cover
def test_both_policies_resets_and_dead_letters_are_soaked() -> None:
    policies = {settings.config_of(level, seed).commit for level in Level for seed in (1,)}
    assert policies == {"ack", "checkpoint"}
    asked = ("dead letters", "reset, answered OK")
    report = soaked(Level.PAGE_CACHE, lambda report: all(report.ran[what] for what in asked), seed=2)
    assert report.finding is None
    assert report.ran["commit policy: checkpoint"] == 1
    assert [what for what in asked if not report.ran[what]] == []


def test_what_is_not_given_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = iter(range(10, 10_000, 100))
    monkeypatch.setattr(campaign, "descriptors", lambda: next(grown))
    report = run_soak(Level.PAGE_CACHE, seed=1, seconds=0.5, threads=2)
    assert report.finding is not None
    assert report.finding.clause is Clause.QUIESCENCE_IS_ZERO
    assert "descriptors" in report.finding.why


def test_what_the_oracle_has_reckoned_is_not_the_memory_of_the_store() -> None:
    """On a slow machine it grows for minutes: by 14 to 17 MiB while a disk was dead, of 8 that count as flat."""
    told: list[int] = []

    @remembered
    def reckoned(number: int) -> int:
        told.append(number)
        return number

    samples = Samples()
    samples.measure(0.0)
    reckoned(1), reckoned(1)
    samples.measure(FORGETS / 2)
    reckoned(1)
    assert told == [1]
    samples.measure(FORGETS)
    reckoned(1)
    assert told == [1, 1]
    assert [at for at, size in samples.taken if size > MIB] == [0.0, FORGETS / 2, FORGETS]


def test_a_machine_that_stands_still_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can answer while this process gets no time."""
    soak = campaign.Soak(
        Level.PAGE_CACHE, 1, tmp_path, settings.config_of(Level.PAGE_CACHE, 1), 1, Core, lambda _: None
    )
    soak.clients[0].since = time.monotonic()
    soak.check_hanging(1.0)
    moments = iter([time.monotonic() + 100.0 * n for n in range(1, 9)])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    for _ in range(5):
        soak.check_hanging(1.0)
    with pytest.raises(Broken, match="has had no answer"):
        soak.check_hanging(1.0)
