"""What the disk's tests share: the skip, by name of what is missing, where a machine cannot have one."""

import pytest

from ackcheck.disk.available import missing


@pytest.fixture
def disk_grade() -> None:
    if reason := missing():
        pytest.skip(reason)
