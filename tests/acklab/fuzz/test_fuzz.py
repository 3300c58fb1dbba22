"""The fuzzer of recovery: that it is deterministic, that it finds what is planted, and what it has found."""

from __future__ import annotations

import importlib.util
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any
from zlib import crc32

import pytest
from click.testing import CliRunner

from acklab.fuzz import runner
from acklab.fuzz.__main__ import main as fuzzing
from acklab.fuzz.check import Misread, ReadOnly, check, files_of, header_of, logs_of, stated_by
from acklab.fuzz.missing import AtherisMissing
from acklab.fuzz.mutate import CHANGES, Choices, Files, directory_from, records_in, seeds, signed
from acklab.fuzz.runner import run_atheris, run_random
from ackstore import Config, Core, LogDamaged, OffsetsAheadOfLog, OffsetsDamaged, recover
from ackstore.core import offsets, replay
from ackstore.format import recovery
from ackstore.format.records import ACK, CHECKPOINT, DEAD, RENEW, RESET, STATE, Header, encode_record, scan


def test_random_directories_are_recovered_or_refused_by_name() -> None:
    seen = run_random(Random(1), runs=1500)
    assert seen.total() == 1500
    assert set(seen) >= {"recovered", "LogDamaged", "OffsetsAheadOfLog", "OffsetsDamaged", "FutureFormat"}


def test_the_directories_to_begin_with_hold_every_kind_of_record_and_two_logs() -> None:
    kinds: set[int] = set()
    begins: set[int] = set()
    for files in seeds():
        logs = logs_of(files)
        for log in range(1, logs + 1):
            records = list(recover(Config(logs=logs), ReadOnly(files), log).records())
            kinds.update(kind for _, kind, _, _ in records)
            begins.update(lsn for lsn, _, _, _ in records[:1])
    assert kinds == {CHECKPOINT, ACK, RENEW, DEAD, RESET, STATE}
    assert max(begins) > 1  # what was before has been compacted
    assert [logs_of(files) for files in seeds()].count(2) == 2


def test_every_kind_of_change_changes_something() -> None:
    for change in CHANGES:
        changed = 0
        for seed in range(40):
            files = dict(seeds()[seed % len(seeds())])
            name = Random(seed).choice(sorted(files))
            change(files, name, Choices(Random(seed).randbytes(30)))
            changed += files != seeds()[seed % len(seeds())]
        assert changed > 10, change


def found_with(check_it: Callable[[Files], str], runs: int = 3000) -> str:
    with pytest.raises(Misread) as found:
        run_random(Random(5), runs=runs, check=check_it)
    return str(found.value)


def test_a_recovery_that_skips_a_bad_record_in_the_middle_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes over whatever is whole, behind a hole too, and does not look at what is proved."""
    monkeypatch.setattr(recovery, "_contiguous", lambda history, begin: list(history))
    assert "the history skips" in found_with(check)


def test_a_recovery_that_does_not_look_at_what_is_proved_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_damage", lambda *_: ZeroDivisionError("no name"))
    assert "ZeroDivisionError" in found_with(check)


def test_a_recovery_that_says_nothing_of_what_it_cuts_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_cut", lambda *_: (0, 0))
    assert "nothing is said to be cut off" in found_with(check)


def test_a_recovery_that_believes_a_wrong_checksum_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def believing(file: str, data: bytes) -> Any:
        for start, end in records_in(data):
            data = data[:start] + signed(data[start:end]) + data[end:]
        return scan(file, data)

    monkeypatch.setattr(recovery, "scan", believing)
    assert "that no file holds" in found_with(check)


def test_a_recovery_that_forgets_what_was_synced_is_found() -> None:
    def forgetful(config: Config, reader: ReadOnly, log: int) -> Any:
        with suppress(OffsetsAheadOfLog):  # what is refused for another reason stays refused
            recover(config, reader, log)
        files = {name: data for name, data in reader.files.items() if not name.startswith("offsets")}
        return recover(config, ReadOnly(files), log)

    assert "had been synced" in found_with(lambda files: check(files, forgetful))


def test_a_recovery_that_writes_is_found() -> None:
    def writing(config: Config, reader: ReadOnly, log: int) -> Any:
        recovered = recover(config, reader, log)
        files: Any = reader.files
        files["log-00000001.seg"] = b""
        return recovered

    assert "recovery" in found_with(lambda files: check(files, writing))


def test_a_recovery_that_reads_the_first_of_two_logs_twice_is_found() -> None:
    both = seeds()[-1]
    assert check(both) == "recovered"
    with pytest.raises(Misread, match="that no file holds"):
        check(both, lambda config, reader, _log: recover(config, reader, 1))


def test_a_store_that_leaves_what_recovery_refuses_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "encode_offsets", lambda *_: b"nonsense")
    assert "opened again, it is refused: OffsetsDamaged" in found_with(check)


def test_what_is_found_can_be_repeated() -> None:
    with pytest.raises(Misread, match="input 0102ff: "):
        runner.checked(b"\x01\x02\xff", lambda files: check(files, lambda *_: 1 / 0))  # type: ignore[arg-type]
    assert directory_from(b"\x01\x02\xff") == directory_from(bytes.fromhex("0102ff"))


def test_the_reader_of_its_own_agrees_with_the_store_on_what_is_right() -> None:
    for files in seeds():
        logs = logs_of(files)
        for log in range(1, logs + 1):
            recovered = recover(Config(logs=logs), ReadOnly(files), log)
            stated = stated_by(files_of(files, log, logs))
            assert stated.synced == recovered.proved
            assert all(whole in stated.records[lsn] for lsn, _, _, whole in recovered.records())
        for name in files:
            header = header_of(name, files[name])
            theirs = scan(name, files[name]).header if name.startswith("log-") else None
            assert (header is None) == (theirs is None)


# --- what it has found ----------------------------------------------------------------------------------------------


def offsets_file(content: bytes) -> bytes:
    return content + struct.pack("<I", crc32(content))


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<8sIQI", b"ACKOFFST", 1, 0, 2) + struct.pack("<H1sQ", 1, b"q", 0),
        struct.pack("<8sIQI", b"ACKOFFST", 1, 0, 0) + struct.pack("<H1sQ", 1, b"q", 0),
        struct.pack("<8sIQI", b"ACKOFFST", 1, 0, 1) + struct.pack("<H1sQ", 1, b"\xff", 0),
        struct.pack("<8sIQI", b"ACKOFFST", 0, 0, 0),
        struct.pack("<8sIQI", b"ACKOFFSX", 1, 0, 0),
    ],
)
def test_an_offset_file_whose_checksum_is_right_and_content_is_not(content: bytes) -> None:
    with pytest.raises(OffsetsDamaged, match=r"offsets is not what was written .*restore it"):
        recover(Config(), ReadOnly({"offsets": offsets_file(content)}))


def test_bytes_between_two_records_are_not_read_as_one() -> None:
    """The record behind them had the next LSN, and was counted to the run before: it was read from the wrong place."""
    one, two = (encode_record(ACK, f"{lsn}".encode(), lsn, 0) for lsn in (1, 2))
    data = Header(1, 1, 0, 0, 0, 1, 0).encode() + one + b"between" + two
    recovered = recover(Config(), ReadOnly({"log-00000001.seg": data}))
    assert [(lsn, payload) for lsn, _, payload, _ in recovered.records()] == [(1, b"1"), (2, b"2")]


def test_a_number_of_messages_that_no_store_has_is_not_listed_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MOST_FREE", 10)
    left = dict(seeds()[2])
    Core(Config(), recover(Config(), ReadOnly(left)), 0.0)
    monkeypatch.setattr(replay, "MOST_FREE", -1)
    with pytest.raises(LogDamaged, match=r"leave out .* messages .*Restore"):
        Core(Config(), recover(Config(), ReadOnly(left)), 0.0)


# --- Atheris --------------------------------------------------------------------------------------------------------


def test_without_atheris_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AtherisMissing, match=r"pip install 'ackcheck\[fuzz\]'"):
        run_atheris(seed=1, seconds=1)
    monkeypatch.setitem(sys.modules, "atheris", None)
    refused = CliRunner().invoke(fuzzing, ["--seconds", "1"])
    assert refused.exit_code == 2
    assert "pip install 'ackcheck[fuzz]'" in refused.stderr


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed (extra fuzz)")
def test_atheris_runs_in_a_process_of_its_own() -> None:
    seen, broke = run_atheris(seed=1, seconds=3)
    assert broke == ""
    assert seen["recovered"] > 0
