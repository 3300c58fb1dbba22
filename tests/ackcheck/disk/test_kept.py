"""What is no image is refused by name, and nothing is mounted of it."""

import gzip
import json
from pathlib import Path

import pytest

from ackcheck.disk import BadFault, ImageNotMounted
from ackcheck.disk.kept import ABOUT, IMAGE, mounted

SIZE = 16 << 20


def an_image(folder: Path, content: bytes, **about: object) -> Path:
    (folder / ABOUT).write_text(json.dumps({"filesystem": "ext4", "bytes": SIZE} | about))
    (folder / IMAGE).write_bytes(content)
    return folder / IMAGE


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"filesystem": "ntfs"}, "no file system 'ntfs'"),
        ({"filesystem": 4}, "names no file system and size"),
        ({"bytes": True}, "names no file system and size"),
        ({"bytes": 1 << 50}, "names no file system and size"),
    ],
)
def test_what_its_description_says_wrongly_is_refused(tmp_path: Path, about: dict[str, object], why: str) -> None:
    with pytest.raises(BadFault, match=why), mounted(an_image(tmp_path, b"", **about)):
        pass


def test_an_image_without_a_description_is_refused(tmp_path: Path) -> None:
    (tmp_path / IMAGE).write_bytes(b"")
    with pytest.raises(BadFault, match=f"there is no {ABOUT} beside {IMAGE}"), mounted(tmp_path / IMAGE):
        pass
    (tmp_path / ABOUT).write_text("{}")
    with pytest.raises(BadFault, match="does not say what its image carries"), mounted(tmp_path / IMAGE):
        pass


@pytest.mark.usefixtures("disk_grade")
@pytest.mark.machine
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no gzip", "cannot be read as an image"),
        (gzip.compress(b"torn" * 4096, mtime=0)[:-9], "cannot be read as an image"),
        (gzip.compress(bytes(SIZE + 1), 1, mtime=0), "holds more than"),
    ],
)
def test_an_image_that_is_none_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(BadFault, match=why), mounted(an_image(tmp_path, content)):
        pass


@pytest.mark.usefixtures("disk_grade")
@pytest.mark.machine
def test_an_image_without_a_file_system_is_not_mounted(tmp_path: Path) -> None:
    with pytest.raises(ImageNotMounted), mounted(an_image(tmp_path, gzip.compress(b"nothing"))):
        pass
