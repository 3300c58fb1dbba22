"""An image that is kept: what a power cut left, as a file, from which the file system can be mounted again.

>>> import tempfile
>>> from ackcheck.disk.available import missing
>>> from ackcheck.disk.disk import Disk
>>> if missing() is None:
...     with tempfile.TemporaryDirectory() as folder:
...         with Disk(Path(folder)) as disk:
...             _ = (disk.directory / "log").write_bytes(b"never synced")
...             _, cut = disk.cut()
...             whole = cut.plan(seed=1, most=2).images[-1]
...             keep(disk, whole, Path(folder))
...         with mounted(Path(folder, IMAGE)) as directory:
...             assert (directory / "log").read_bytes() == b"never synced"

It is the disk as it was before the file system was mounted from it, byte for byte, and compressed: the blocks that hold
nothing take no room. Beside it stands what it carries (`ABOUT`).
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ackcheck.disk.disk import Disk
from ackcheck.disk.drive import MOST_BYTES, Drive
from ackcheck.disk.errors import BadFault, ImageNotMounted
from ackcheck.disk.filesystem import FileSystem, named
from ackcheck.disk.images import Image
from ackcheck.rig import namespace

IMAGE: Final = "image.gz"
ABOUT: Final = "image.json"
CHUNK: Final = 1 << 20
LONGEST: Final = 1 << 16
"""Bytes of `ABOUT`, at most."""


def keep(disk: Disk, image: Image, folder: Path) -> None:
    """Write an image of a disk whose power was cut, and what it carries, into a folder. The disk is not mounted."""
    disk.drive.show(image.choice)
    with disk.drive.device.open("rb", buffering=0) as device, gzip.open(folder / IMAGE, "wb", compresslevel=1) as file:
        while chunk := device.read(CHUNK):
            file.write(chunk)
    about = {"filesystem": disk.filesystem.name, "bytes": disk.drive.size, "kind": image.kind}
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """Give the target's directory as an image has it, on a disk in memory: what is written there goes with it.

    Raises `BadFault` for what is no image, `ImageNotMounted`, `DiskUnavailable` and `DiskFailed`.
    """
    filesystem, size = _about(image)
    with Drive(size) as drive, tempfile.TemporaryDirectory(prefix="ackcheck-image-") as folder:
        _load(image, drive.device, size)
        try:
            filesystem.mount(drive.device, Path(folder))
        except OSError as error:
            raise ImageNotMounted(f"{filesystem.name} cannot be mounted from {image}: {error}") from error
        try:
            yield Path(folder) / "target"
        finally:
            namespace.unmount(folder, lazily=True)  # whoever still works there keeps it until the end


def _about(image: Path) -> tuple[FileSystem, int]:
    path = image.with_name(ABOUT)
    try:
        with path.open("rb") as file:
            about = json.loads(file.read(LONGEST))
        name, size = about["filesystem"], about["bytes"]
    except FileNotFoundError as error:
        why = f"there is no {ABOUT} beside {image.name}, to say what that carries: name the {IMAGE} of a finding"
        raise BadFault(why) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFault(f"{path} does not say what its image carries ({error}); both come with a finding") from error
    if not isinstance(name, str) or type(size) is not int or not 0 < size <= MOST_BYTES:
        raise BadFault(f"{path} names no file system and size: it is not the one that came with a finding")
    return named(name), size


def _load(image: Path, device: Path, size: int) -> None:
    """Write an image to a device, less what is zeros."""
    zeros = bytes(CHUNK)
    descriptor = os.open(device, os.O_WRONLY)
    try:
        with gzip.open(image, "rb") as file:
            offset = 0
            while chunk := file.read(CHUNK):
                if offset + len(chunk) > size:
                    raise BadFault(f"{image} holds more than the {size} bytes of its disk")
                if chunk != zeros[: len(chunk)]:
                    os.pwrite(descriptor, chunk, offset)
                offset += len(chunk)
        os.fsync(descriptor)
    except (OSError, EOFError, zlib.error) as error:
        raise BadFault(f"{image} cannot be read as an image: {error}") from error
    finally:
        os.close(descriptor)
