"""Every broker's profile can be used, and a bad one is told what to write."""

import os
import textwrap
import tomllib
from pathlib import Path

import pytest

from ackcheck.brokers.client import SHARE
from ackcheck.brokers.place import Place
from ackcheck.brokers.profile import HERE, BadProfile, names, profile_of, read_profile
from ackcheck.hits import Fault
from ackcheck.rig.serve import load_factory
from ackcheck.suite import grades
from ackcheck.target import Target

ROOT = Path(__file__).parents[3]
CONFIGURATION = {"name": "x", "settings": {}, "claims": "disk", "reason": "r", "expect": {}}


def stated(name: str = "redis") -> dict[str, object]:
    return tomllib.loads((HERE / name / "profile.toml").read_text())


@pytest.mark.parametrize("name", names())
def test_every_profile_is_whole(name: str) -> None:
    profile, place = read_profile(name), Place(Path("/run/x"), 71)
    adapter = profile.target_for(place)
    if isinstance(adapter, str):
        assert isinstance(load_factory(adapter)(), Target)
    assert set(profile.grades) <= set(grades())
    assert (ROOT / "specs" / "brokers" / f"{name}.md").is_file()
    assert len({one.name for one in profile.configurations}) == len(profile.configurations)
    for one in profile.configurations:
        assert one.reason
        assert set(one.expect) == set(profile.faults)
        assert not one.repair or profile.repair
        command = " ".join(profile.server_for(one.settings, place))
        assert "{dir}" in command
        assert not [word for word in ("{run}", "{port}", "{settings}", "{folder}", "{build}") if word in command]


def test_the_example_of_the_page_is_a_profile() -> None:
    page = (ROOT / "specs" / "brokers" / "README.md").read_text(encoding="utf-8")
    example, _, _ = page.partition("       title = ")[2].partition("\n\n   A Python")
    profile = profile_of(tomllib.loads(textwrap.dedent(f"       title = {example}")), Path("here"))
    assert profile.server_for({"sync": "no"}, Place(Path("/run/x"), 71))[-1] == "--sync=no"
    assert set(profile.configurations[0].expect) == set(profile.faults)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"serve": []}, "serve"),
        ({"server": "redis-server"}, "server is 'redis-server': write a list"),
        ({"on_request": "disk"}, "on_request is 'disk': write a list"),
        ({"build": ["go build"]}, "each command of build, is 'go build': write a list"),
        ({"adapter": []}, "adapter is .*: write a list"),
        ({"disk_mib": -1}, "disk_mib is -1: write a number over 0"),
        ({"promises": {"barier": "none"}}, "did you mean 'barrier'"),
        ({"configuration": [{"name": "x"}]}, "a configuration: claims, expect, reason, settings"),
        ({"configuration": [{**CONFIGURATION, "claims": "ram"}]}, "'ram' is not a valid Level"),
        ({"configuration": [{**CONFIGURATION, "expect": {"power": ["no"]}}]}, "write outcomes by grade and fault"),
        ({"configuration": [{**CONFIGURATION, "expect": {"power": {"sync": []}}}]}, "'sync' is not a valid Fault"),
        (
            {"configuration": [{**CONFIGURATION, "expect": {"power": {"power loss": ["gone"]}}}]},
            "'gone' is not a valid Effect",
        ),
    ],
)
def test_a_bad_profile_is_told_what_to_write(change: dict[str, object], told: str) -> None:
    with pytest.raises(BadProfile, match=told):
        profile_of({**stated(), **change}, Path("here"))


def test_a_configuration_may_promise_something_else_and_name_what_cannot_reach_it() -> None:
    one = {**CONFIGURATION, "promises": {"loss_window": 2.0}, "unreached": ["failed sync"]}
    profile = profile_of({**stated(), "configuration": [one, CONFIGURATION]}, Path("here"))
    first, second = profile.configurations
    assert first.promises is not None
    assert second.promises is not None
    assert (first.promises.loss_window, second.promises.loss_window) == (2.0, 0.0)
    assert first.promises.barrier == "none"
    assert first.missed([Fault.FAILED_SYNC, Fault.POWER_LOSS], {}) == [Fault.POWER_LOSS]


def test_what_an_adapter_says_after_it_has_waited_is_heard() -> None:
    for name in names():
        profile = read_profile(name)
        adapter = profile.target_for(Place(Path("/run/x")))
        waiting = load_factory(adapter)().waiting if isinstance(adapter, str) else 60.0
        assert profile.reply_timeout > (1 + SHARE) * waiting, name


def test_what_is_missing_is_named_with_what_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", "/nowhere")
    assert read_profile("redis").missing() == ["redis-server (Debian: redis-server)"]
    built = profile_of({**stated(), "needs": {"{build}/server": "make brokers"}}, Path("here"))
    assert built.missing() == [f"{built.built}/server (make brokers)"]
