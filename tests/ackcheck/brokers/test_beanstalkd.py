"""The adapter of beanstalkd, without a server: what a restart has lost is put again, and nothing that was settled."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ackcheck.brokers.place import SETTINGS, Place
from ackcheck.brokers.profile import read_profile
from ackcheck.rig.serve import load_factory


class NotFound(Exception):
    """There is no such job."""


class TimedOut(Exception):
    """Nothing is ready."""


class Client:
    """A server that holds jobs by number."""

    def __init__(self) -> None:
        self.jobs: dict[int, str] = {}
        self.reserved = False

    def use(self, tube: str) -> None: ...

    def put(self, body: str, ttr: int) -> int:
        self.jobs[number := max(self.jobs, default=0) + 1] = body
        return number

    def watch(self, tube: str) -> None: ...

    ignore = watch

    def reserve(self, timeout: int) -> Any:
        assert timeout == 0
        if self.reserved or not self.jobs:
            raise TimedOut
        self.reserved = True
        return SimpleNamespace(body=next(iter(self.jobs.values())))

    def stats_job(self, job: Any) -> dict[str, int]:
        return {"reserves": 1}

    def peek(self, number: int) -> Any:
        if number not in self.jobs:
            raise NotFound
        return SimpleNamespace(body=self.jobs[number])

    def delete(self, number: int) -> None:
        if self.jobs.pop(number, None) is None:
            raise NotFound


@pytest.fixture
def tubes() -> Any:
    tubes: Any = load_factory(str(read_profile("beanstalkd").target_for(Place(Path()))))()
    tubes.client, tubes.lost, tubes.watched = Client(), False, "default"
    tubes.errors = SimpleNamespace(NotFoundError=NotFound, TimedOutError=TimedOut, DeadlineSoonError=TimedOut)
    return tubes


def test_what_was_lost_is_put_again_under_another_number_and_what_was_deleted_is_not(tubes: Any) -> None:
    tubes.publish("q", 3)
    assert tubes.ack("q|0") == "OK"
    tubes.client.jobs = {1: "another|0"}  # the end of the log was lost, and a number was given again
    tubes.publish("q", 3)
    assert sorted(tubes.client.jobs.values()) == ["another|0", "q|1", "q|2"]
    assert [tubes.ack("q|1"), tubes.ack("q|1"), tubes.ack("q|0")] == ["OK", "SETTLED", "SETTLED"]
    assert [tubes.ack("q|9"), tubes.ack("")] == ["INVALID", "INVALID"]
    assert tubes.client.jobs[1] == "another|0"


def test_a_message_that_came_back_after_its_delete_is_put_again_once_it_is_lost(tubes: Any) -> None:
    tubes.publish("q", 1)
    jobs = dict(tubes.client.jobs)
    tubes.ack("q|0")
    tubes.client.jobs = jobs  # the delete was lost
    assert [one["offset"] for one in tubes.pop("q", 1, 2.0)] == [0]
    tubes.client.jobs = {}  # and now the job is
    tubes.publish("q", 1)
    assert list(tubes.client.jobs.values()) == ["q|0"]


def test_of_several_states_after_a_cut_each_is_filled_with_what_it_has_not_got(tubes: Any) -> None:
    tubes.publish("q", 2)
    whole, tubes.client.jobs = tubes.client.jobs, {}
    tubes.publish("another", 1)  # as job 1
    tubes.publish("q", 2)
    tubes.client.jobs = dict(whole)
    tubes.publish("q", 2)
    assert tubes.client.jobs == whole
    assert tubes.ack("q|0") == "OK"
    assert tubes.client.jobs == {2: "q|1"}


@pytest.mark.parametrize(("settings", "reply"), [({"f": "0"}, "OK"), ({"f": "50"}, "UNKNOWN"), ({"F": ""}, "UNKNOWN")])
def test_a_close_is_ok_only_where_every_write_is_synced(
    tubes: Any, settings: dict[str, str], reply: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTINGS, json.dumps(settings))
    assert tubes.close() == reply
