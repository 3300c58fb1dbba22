"""Open files by their numbers: closed once, and by nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ackstore.runtime.descriptors import Descriptor, opened


def is_open(number: int) -> bool:
    return Path(f"/proc/self/fd/{number}").exists()


@pytest.mark.parametrize("how", ["close", "with", "nobody has it"])
def test_it_is_closed_once_and_its_number_is_another_s_by_then(tmp_path: Path, how: str) -> None:
    found = opened(tmp_path, os.O_RDONLY)
    assert (type(found), found.closed, is_open(found)) == (Descriptor, False, True)
    number = int(found)
    if how == "close":
        found.close()
    elif how == "with":
        with found as same:
            assert same is found
    else:
        del found
        assert not is_open(number)
        return
    assert (found.closed, is_open(number)) == (True, False)
    other = os.open(tmp_path, os.O_RDONLY)
    assert other == number
    found.close()
    with found:
        pass
    del found
    assert is_open(other)
    os.close(other)


def test_it_is_opened_as_it_is_asked_for_and_is_not_inherited(tmp_path: Path) -> None:
    with opened(tmp_path, os.O_RDONLY | os.O_DIRECTORY) as directory:
        given: dict[str, int]
        for name, given in (("private", {"mode": 0o600}), ("group", {"mode": 0o640}), ("nobody", {})):
            with opened(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, within=directory, **given) as file:
                assert not os.get_inheritable(file)
                assert stat.S_IMODE(os.fstat(file).st_mode) == given.get("mode", 0)
                assert os.write(file, b"abc") == 3
            assert (tmp_path / name).stat().st_size == 3
        with pytest.raises(FileNotFoundError):
            opened("nowhere", os.O_RDONLY, within=directory)
        with pytest.raises(FileExistsError):
            opened("group", os.O_CREAT | os.O_EXCL, within=directory)
