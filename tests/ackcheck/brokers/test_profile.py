"""Every broker's profile can be used, and a bad one is told what to write."""

import os
import tomllib
from pathlib import Path

import pytest

from ackcheck.brokers.profile import HERE, BadProfile, names, profile_of, read_profile
from ackcheck.rig.serve import load_factory
from ackcheck.suite import grades
from ackcheck.target import Target

ROOT = Path(__file__).parents[3]


def stated(name: str = "redis") -> dict[str, object]:
    return tomllib.loads((HERE / name / "profile.toml").read_text())


@pytest.mark.parametrize("name", names())
def test_every_profile_is_whole(name: str) -> None:
    profile = read_profile(name)
    assert isinstance(load_factory(profile.target)(), Target)
    assert set(profile.faults) <= set(grades())
    assert (ROOT / "specs" / "brokers" / f"{name}.md").is_file()
    for one in profile.configurations:
        assert one.reason
        assert set(one.expect) == set(profile.faults)
        command = profile.server_for(one.settings, Path("/run/x"))
        assert "{dir}" in " ".join(command)
        assert "{run}" not in " ".join(command)
        assert "{settings}" not in command


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"serve": []}, "serve"),
        ({"server": "redis-server"}, "server is 'redis-server': write a list"),
        ({"promises": {"barier": "none"}}, "did you mean 'barrier'"),
        ({"configuration": [{"name": "x"}]}, "a configuration: expect, may, reason, settings"),
        (
            {"configuration": [{"name": "x", "settings": {}, "reason": "r", "expect": {"power": ["no"]}, "may": {}}]},
            "write clauses by grade",
        ),
    ],
)
def test_a_bad_profile_is_told_what_to_write(change: dict[str, object], told: str) -> None:
    with pytest.raises(BadProfile, match=told):
        profile_of({**stated(), **change}, Path("here"))


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", "/nowhere")
    assert read_profile("redis").missing() == ["redis-server (Debian: redis-server)"]
