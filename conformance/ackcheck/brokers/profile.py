"""A broker's profile: how its server is started, what it promises, and what each configuration is expected to keep.

>>> redis = read_profile("redis")
>>> redis.title, [one.name for one in redis.configurations]
('Redis Streams', ['always', 'everysec', 'no'])
>>> redis.server_for({"appendfsync": "no"}, Path("/run/x"))[-2:]
('--appendfsync', 'no')
>>> read_profile("reddis")
Traceback (most recent call last):
...
ackcheck.brokers.profile.BadProfile: no broker 'reddis'; there are redis
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from attrs import frozen

from ackcheck.promises import BadPromise, Promises, promises_of
from ackmodel import Clause

HERE = Path(__file__).parent
FIELDS = ("title", "needs", "version", "server", "setting", "adapter", "faults", "promises", "configuration")
OF_A_CONFIGURATION = ("name", "settings", "reason", "expect", "may")


class BadProfile(ValueError):
    """A profile that is not there, or cannot be used; the message says what to write."""


@frozen
class Configuration:
    """One way to run a broker, and which clauses it is expected to break, by grade."""

    name: str
    settings: Mapping[str, str]
    reason: str
    expect: Mapping[str, Set[Clause]]
    """What must break; a grade that is not named is not expected to be run."""
    may: Mapping[str, Set[Clause]]
    """What may break or not, as chance has it."""

    def surprises(self, grade: str, broken: Set[Clause]) -> list[str]:
        """Return what of a grade's findings was not expected, in either direction.

        >>> always = Configuration("always", {}, "", {"power": frozenset()}, {})
        >>> always.surprises("power", {Clause.SURVIVES_POWER_LOSS})
        ['power: survives-power-loss broke, which is new']
        >>> off = Configuration("no", {}, "", {"power": {Clause.SURVIVES_POWER_LOSS}}, {})
        >>> off.surprises("power", frozenset())
        ['power: survives-power-loss was expected to break, and did not']
        """
        must = self.expect.get(grade, frozenset())
        new = broken - must - self.may.get(grade, frozenset())
        return [
            *(f"{grade}: {clause.value} broke, which is new" for clause in Clause if clause in new),
            *(
                f"{grade}: {clause.value} was expected to break, and did not"
                for clause in Clause
                if clause in must - broken
            ),
        ]


@frozen
class Profile:
    """A broker."""

    title: str
    folder: Path
    needs: Mapping[str, str]
    """The programs it needs, and which Debian package has each."""
    version: tuple[str, ...]
    server: tuple[str, ...]
    """The server's command: `{dir}` is its directory, `{run}` a folder for its socket, `{settings}` the settings."""
    setting: tuple[str, ...]
    """How one setting is written in it."""
    adapter: str
    faults: tuple[str, ...]
    promises: Promises
    configurations: tuple[Configuration, ...]

    @property
    def target(self) -> str:
        """The adapter, as `ackcheck run` names it."""
        return f"{self.folder}/{self.adapter}"

    def missing(self) -> list[str]:
        """Return the programs that this machine has not got, each with the package that has it."""
        return [f"{tool} (Debian: {package})" for tool, package in self.needs.items() if shutil.which(tool) is None]

    def server_for(self, settings: Mapping[str, str], run: Path) -> tuple[str, ...]:
        """Return the server's command with these settings, which runs in `run`; `{dir}` is still to be filled in."""
        words: list[str] = []
        for word in self.server:
            if word != "{settings}":
                words.append(word.replace("{run}", str(run)))
                continue
            for key, value in settings.items():
                words += [part.replace("{key}", key).replace("{value}", value) for part in self.setting]
        return tuple(words)


def names() -> tuple[str, ...]:
    """Return the names of all brokers that have a profile."""
    return tuple(sorted(path.parent.name for path in HERE.glob("*/profile.toml")))


def read_profile(name: str) -> Profile:
    """Return the profile of a broker."""
    if name not in names():
        raise BadProfile(f"no broker {name!r}; there are {', '.join(names())}")
    path = HERE / name / "profile.toml"
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadProfile(f"{path} cannot be read as TOML: {error}") from error
    return profile_of(stated, path.parent)


def profile_of(stated: Mapping[str, Any], folder: Path) -> Profile:
    """Return the profile that was stated; raise `BadProfile` with what to write instead."""
    _check_fields(stated, FIELDS, str(folder))
    for name in ("version", "server", "setting", "faults"):
        _check_words(stated[name], f"{folder}: {name}")
    try:
        promises = promises_of(stated["promises"])
    except BadPromise as error:
        raise BadProfile(f"{folder}: {error}") from error
    return Profile(
        str(stated["title"]),
        folder,
        stated["needs"],
        tuple(stated["version"]),
        tuple(stated["server"]),
        tuple(stated["setting"]),
        str(stated["adapter"]),
        tuple(stated["faults"]),
        promises,
        tuple(_configuration(one, folder) for one in stated["configuration"]),
    )


def _configuration(stated: Mapping[str, Any], folder: Path) -> Configuration:
    _check_fields(stated, OF_A_CONFIGURATION, f"{folder}: a configuration")
    settings = {str(key): str(value) for key, value in stated["settings"].items()}
    expect, may = (_clauses(stated[name], f"{folder}: {stated['name']}: {name}") for name in ("expect", "may"))
    return Configuration(str(stated["name"]), settings, str(stated["reason"]), expect, may)


def _clauses(stated: Mapping[str, Any], where: str) -> dict[str, Set[Clause]]:
    try:
        return {grade: frozenset(Clause(name) for name in names_of) for grade, names_of in stated.items()}
    except (ValueError, TypeError) as error:
        raise BadProfile(f"{where}: {error}; write clauses by grade, as power = ['survives-power-loss']") from error


def _check_fields(stated: Mapping[str, Any], fields: tuple[str, ...], where: str) -> None:
    if set(stated) != set(fields):
        wrong = ", ".join(sorted(set(stated) ^ set(fields)))
        raise BadProfile(f"{where}: {wrong}: write each of {', '.join(fields)}, and nothing else")


def _check_words(value: object, where: str) -> None:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise BadProfile(f"{where} is {value!r}: write a list of words, as ['redis-server', '--version']")
