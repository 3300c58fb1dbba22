"""The benchmark: what it counts, what it does without a peer, and that it notices a store that refuses."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from acklab.bench import peers, plot, results, stores
from acklab.bench.costs import bytes_per_inflight, recovery_seconds_per_million
from acklab.bench.measure import Sample, ThreadFailed, middle, quantile, timed
from acklab.bench.peers import Lmdb, PeerMissing, PersistQueue, Sqlite
from acklab.bench.results import ASYNC, SYNC, WRITES, Entrant, Results, Row, entrants, race
from acklab.bench.stores import AckRefused, StoreContender, WriteLoop
from acklab.cli.bench import bench, ratios_table, rows_table
from ackstore import Config, Store

QUICK = ["--seconds", "0.01", "--rounds", "1", "--records", "500"]


def a_row(name: str, threads: int, throughput: float, p99: float = 1.0, level: Any = "page-cache") -> Row:
    return Row(
        name=name,
        level=level,
        threads=threads,
        throughput=throughput,
        p50=p99 / 2,
        p99=p99,
        p999=p99,
        syncs_per_second=None,
    )


def a_sample(operations: int, p99: float, syncs: float | None = None) -> Sample:
    return Sample(operations=operations, seconds=2.0, p50=0.0, p99=p99, p999=p99, syncs_per_second=syncs)


class TestMeasuring:
    def test_quantiles(self) -> None:
        hundred = [float(n) for n in range(100)]
        assert [quantile(hundred, share) for share in (0.0, 0.5, 0.99, 0.999, 1.0)] == [0.0, 50.0, 99.0, 99.0, 99.0]
        assert quantile([], 0.5) == 0.0

    def test_it_ends_in_time(self) -> None:
        sample = timed([iter(range(10**9))], lambda _item: time.sleep(0.01), seconds=0.1)
        assert 2 <= sample.operations <= 12
        assert 0.009 < sample.p50 <= sample.p999
        assert sample.throughput == sample.operations / sample.seconds

    def test_an_error_in_a_thread_is_told(self) -> None:
        with pytest.raises(ThreadFailed, match="ZeroDivisionError"):
            timed([iter([1, 0]), iter([1])], lambda item: 1 // item, seconds=1.0)

    def test_medians(self) -> None:
        found = middle([a_sample(2, 3.0, 7.0), a_sample(20, 1.0, None), a_sample(6, 2.0, 9.0)])
        assert (found["throughput"], found["p99"], found["syncs_per_second"]) == (3.0, 2.0, 8.0)
        assert middle([a_sample(2, 3.0)])["syncs_per_second"] is None

    def test_a_batch_counts_its_acks(self) -> None:
        assert a_sample(2, 3.0).of_batches(64).throughput == 64.0


class TestContenders:
    @pytest.mark.parametrize(
        "contender",
        [
            StoreContender("async", Config()),
            StoreContender("merge buffer", Config(merge=True, merge_stay=3600.0)),
            StoreContender("many", Config(), batch=8),
            StoreContender("sync", Config(mode="sync"), most=20_000),
            Sqlite("SQLite", "FULL"),
            Lmdb("LMDB", sync=True),
            Lmdb("LMDB", sync=False),
            PersistQueue("persist-queue", "NORMAL"),
        ],
    )
    def test_each_acknowledges(self, tmp_path: Path, contender: results.Contender) -> None:
        sample = contender.measure(tmp_path, threads=2, seconds=0.05)
        assert sample.operations >= 2
        assert 0 < sample.p50 <= sample.p99 <= sample.p999

    def test_the_sync_mode_syncs(self, tmp_path: Path) -> None:
        sample = StoreContender("sync", Config(mode="sync"), most=2000).measure(tmp_path, threads=1, seconds=0.1)
        assert sample.syncs_per_second == pytest.approx(sample.throughput, rel=0.2)

    def test_the_merge_buffer_is_measured_and_not_the_log(self, tmp_path: Path) -> None:
        with Store(tmp_path, Config(merge=True, merge_stay=3600.0)) as store:
            for receipt in stores.receipts_of(store, 100):
                store.ack(receipt)
            assert store.stats().merged >= 98

    def test_a_stalled_disk_syncs_seldom(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stores, "STALL", 0.15)
        sync = StoreContender("sync", Config(mode="sync"), most=100, stalled=True)
        sample = sync.measure(tmp_path, threads=1, seconds=0.3)
        assert sample.operations <= 3
        assert sample.p50 >= 0.15

    def test_the_loop_writes_records(self, tmp_path: Path) -> None:
        sample = WriteLoop().measure(tmp_path, threads=1, seconds=0.01)
        assert (tmp_path / "records").stat().st_size == sample.operations * len(stores.RECORD)
        with pytest.raises(ValueError, match="one thread"):
            WriteLoop().measure(tmp_path, threads=2, seconds=0.01)

    @pytest.mark.parametrize("batch", [1, 2])
    def test_a_refusal_is_no_figure(self, tmp_path: Path, batch: int) -> None:
        config = Config(op_timeout=0.05, mode="sync", max_unflushed_records=2)
        with pytest.raises((ThreadFailed, AckRefused)):
            StoreContender("busy", config, batch=batch, most=4000, stalled=True).measure(
                tmp_path, threads=8, seconds=1.0
            )

    def test_a_store_that_hands_out_nothing_is_told(self, tmp_path: Path) -> None:
        with Store(tmp_path, Config(max_outstanding=1)) as store, pytest.raises(AckRefused, match="1 of 3"):
            stores.receipts_of(store, 3)

    def test_costs(self, tmp_path: Path) -> None:
        assert recovery_seconds_per_million(tmp_path / "a", 300) > 0
        assert 50 < bytes_per_inflight(tmp_path / "b", 3000) < 1000


class TestResults:
    def test_a_peer_that_is_missing_is_named_and_not_measured(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(peers, "find_spec", lambda _module: None)
        field = [Entrant(Lmdb("LMDB", sync=True), "disk", 1), Entrant(WriteLoop(WRITES), "none", 1)]
        told: list[str] = []
        found = race(field, tmp_path, seconds=0.01, rounds=2, told=told.append)
        assert found.not_measured == {"LMDB": "not measured: install ackcheck[bench]"}
        assert [row.name for row in found.rows] == [WRITES]
        assert told == [
            "round 1 of 2: LMDB, 1 thread",
            "round 1 of 2: os.write loop, 1 thread",
            "round 2 of 2: os.write loop, 1 thread",
        ]
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(PeerMissing):
            PersistQueue("persist-queue", "FULL").measure(tmp_path, threads=1, seconds=0.01)

    def test_ratios(self) -> None:
        rows = (
            a_row(WRITES, 1, 900.0),
            a_row(ASYNC, 1, 90.0),
            a_row(ASYNC, 3, 60.0, p99=0.5),
            a_row(SYNC, 3, 3.0, p99=4.0),
        )
        ratios = Results(rows=rows).ratios()
        assert (ratios["ack_over_write_loop"], ratios["async_over_sync_throughput"]) == (0.1, 20.0)
        assert ratios["sync_over_async_p99"] == 8.0
        assert ratios["over_sqlite_normal"] is None

    def test_every_contender_has_its_own_row(self) -> None:
        pairs = [(each.contender.name, each.threads) for each in entrants()]
        assert len(set(pairs)) == len(pairs)
        assert {(ASYNC, 1), (ASYNC, 3), (ASYNC, 16), (SYNC, 1), (SYNC, 3), (SYNC, 16)} <= set(pairs)

    def test_tables_say_what_an_ack_survives(self) -> None:
        found = Results(rows=(a_row(WRITES, 1, 9.0, level="none"), a_row(SYNC, 3, 1234.5, p99=1e-4, level="disk")))
        table = rows_table(found)
        assert list(table.columns[0].cells) == [
            "[italic]no store[/]",
            f"  {WRITES}",
            "[italic]survives power loss[/]",
            f"  {SYNC}",
        ]
        assert "1,234" in list(table.columns[2].cells)
        assert "100" in list(table.columns[4].cells)
        assert set(ratios_table(found).columns[1].cells) == {"-"}

    @pytest.mark.parametrize("name", ["figure.png", "figure.svg"])
    def test_the_plot(self, tmp_path: Path, name: str) -> None:
        plot.plot(Results(rows=(a_row(WRITES, 1, 9.0, level="none"), a_row(SYNC, 3, 1.0))), tmp_path / name)
        assert (tmp_path / name).read_bytes()[:4] in (b"\x89PNG", b"<?xm")


class TestCommand:
    def test_its_json_has_the_documented_keys(self, tmp_path: Path) -> None:
        args = [*QUICK, "--directory", str(tmp_path), "--json", "-"]
        ran = CliRunner().invoke(bench, args)
        assert ran.exit_code == 0, ran.output
        found = json.loads(ran.stdout)
        documented = (Path(__file__).parents[3] / "specs" / "commands.md").read_text(encoding="utf-8")
        for key in (*found, *found["ratios"], *found["rows"][0]):
            assert f"`{key}`" in documented, key
        assert {
            "async_over_sync_throughput",
            "sync_over_async_p99",
            "ack_over_write_loop",
            "ack_many_64_over_write_loop",
            "over_sqlite_normal",
            "over_persist_queue",
        } <= set(found["ratios"])
        in_flight = {name for name in found["ratios"] if name.startswith("in_flight")}
        assert all(found["ratios"][name] for name in found["ratios"].keys() - in_flight)
        assert all(found["ratios"][name] is not None for name in in_flight)  # no sync need end in so short a run
        assert found["recovery_seconds_per_million"] > 0
        assert found["bytes_per_inflight"] > 0
        assert list(tmp_path.iterdir()) == []

    def test_it_shows_a_table_and_draws(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("acklab.cli.bench.entrants", lambda: [Entrant(WriteLoop(WRITES), "none", 1)])
        to = tmp_path / "figure.svg"
        ran = CliRunner().invoke(bench, [*QUICK, "--directory", str(tmp_path), "--plot", str(to)])
        assert ran.exit_code == 0, ran.output
        assert WRITES in ran.stdout
        assert "async_over_sync_throughput" in ran.stdout
        assert to.stat().st_size > 1000

    def test_what_is_missing_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(peers, "find_spec", lambda _module: None)
        monkeypatch.setattr("acklab.cli.bench.entrants", lambda: [Entrant(Lmdb("LMDB", sync=True), "disk", 1)])
        ran = CliRunner().invoke(bench, [*QUICK, "--directory", str(tmp_path)])
        assert ran.exit_code == 0, ran.output
        assert "LMDB: not measured: install ackcheck[bench]" in ran.stdout

    def test_bad_input(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setattr("acklab.cli.bench.race", None)  # nothing is measured before all of it is known to be good
        for args, mend in (
            (["--seconds", "0"], "range"),
            (["--rounds", "-1"], "range"),
            (["--directory", str(tmp_path / "file")], "name one on the disk"),
            (["--directory", str(tmp_path / "none")], "name one on the disk"),
            (["--plot", str(tmp_path / "figure.doc")], ".svg"),
            (["--plot", str(tmp_path / "none" / "figure.svg")], "create it first"),
        ):
            ran = CliRunner().invoke(bench, args)
            assert (ran.exit_code, mend in " ".join(ran.stderr.split())) == (2, True), (args, ran.stderr)
        monkeypatch.setattr("os.access", lambda *_args: False)
        assert "this user can write" in CliRunner().invoke(bench, ["--directory", str(tmp_path)]).stderr
        monkeypatch.setattr(peers, "find_spec", lambda _module: None)
        ran = CliRunner().invoke(bench, ["--plot", str(tmp_path / "figure.svg")])
        assert (ran.exit_code, "install ackcheck[bench]" in " ".join(ran.stderr.split())) == (2, True)

    def test_a_disk_that_fails_is_exit_code_3(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_args: object, **_options: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("acklab.cli.bench.race", full)
        ran = CliRunner().invoke(bench, ["--directory", str(tmp_path)])
        assert ran.exit_code == 3
        assert "No space left" in ran.stderr
