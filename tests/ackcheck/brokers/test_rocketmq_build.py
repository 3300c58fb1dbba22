"""The end of RocketMQ's build, with a `java` that only does what the build waits for."""

import os
import subprocess
from pathlib import Path

import pytest

from ackcheck.brokers.profile import HERE

JAVA = """#!/bin/sh
for word; do case $word in -XX:ArchiveClassesAtExit=*) touch "${word#*=}" ;; esac; done
case "$*" in
*BrokerStartup*) exec sleep 60 ;;
*) while read -r asked; do echo '{"result":[{"receipt":"q|0|1"}]}'; done ;;
esac
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with such a `java`, and one for what is built and one for temporary files."""
    for name in ("bin", "out", "temporary"):
        (tmp_path / name).mkdir()
    java = tmp_path / "bin" / "java"
    java.write_text(JAVA)
    java.chmod(0o755)
    return tmp_path


def test_a_build_that_is_done_says_so_and_leaves_nothing(place: Path) -> None:
    known = {"PATH": f"{place}/bin:{os.environ['PATH']}", "TMPDIR": str(place / "temporary")}
    command = [str(HERE / "rocketmq" / "archive.sh"), str(place / "out")]
    done = subprocess.run(command, env=os.environ | known, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (place / "out").iterdir()) == ["adapter.jsa", "server.jsa"]
    assert not list((place / "temporary").iterdir())
