"""A real disk that the log fills: a store on a small tmpfs, and on a small ext4, goes on however often it is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "support" / "fills_its_disk.py"


def can_mount(kind: str, at: Path) -> bool:
    """Whether a file system of this kind can be mounted here, where nobody else sees it."""
    image = at / "probe"
    image.write_bytes(bytes(1 << 20))
    what = "mount -t tmpfs tmpfs /mnt" if kind == "tmpfs" else f"mkfs.ext4 -q {image} && mount -o loop {image} /mnt"
    tried = subprocess.run(["unshare", "--mount", "sh", "-c", what], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_it_goes_on_however_often_the_log_fills_the_disk(kind: str, tmp_path: Path) -> None:
    if os.geteuid() or not can_mount(kind, tmp_path):
        pytest.skip(f"nobody but root mounts a {kind}")
    ran = subprocess.run(
        ["unshare", "--mount", sys.executable, PROGRAM, kind, tmp_path], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["enough"], found
    assert found["failed writes"], "the disk was never full"
    assert (found["short"], found["closed"], found["returned"]) == (False, "OK", 0), found
