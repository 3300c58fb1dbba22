"""A broker's profile: how its server is had and started, what it promises, and what is expected of each configuration.

>>> redis = read_profile("redis")
>>> redis.title, [one.name for one in redis.configurations]
('Redis Streams', ['always', 'always-repaired', 'everysec', 'no'])
>>> redis.server_for({"appendfsync": "no"}, Place(Path("/run/x")))[-2:]
('--appendfsync', 'no')
>>> read_profile("reddis")
Traceback (most recent call last):
...
ackcheck.brokers.profile.BadProfile: no broker 'reddis'; did you mean 'redis'?
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from ackcheck.brokers.expectation import ByFault, Configuration, Outcome
from ackcheck.brokers.place import Place
from ackcheck.effects import Effect
from ackcheck.given import Unreadable, toml_of
from ackcheck.hits import Fault
from ackcheck.promises import BadPromise, promises_of
from ackmodel import Level, nearest

HERE = Path(__file__).parent

REPLY_TIMEOUT = 120.0
"""Seconds for which an answer is waited for, where a profile states nothing else: on a busy machine server and adapter
take half a minute to start, and that one is slow is never told of it."""

FIELDS = ("title", "needs", "version", "server", "setting", "adapter", "faults", "promises", "configuration")
MORE = ("build", "repair", "on_request", "disk_mib", "reply_timeout")
"""What a profile may leave out."""

OF_A_CONFIGURATION = ("name", "settings", "claims", "reason", "expect")
MORE_OF_A_CONFIGURATION = ("may", "unreached", "promises", "repair", "allows")


class BadProfile(ValueError):
    """A profile that is not there, or cannot be used; the message says what to write."""


@frozen
class Profile:
    """A broker."""

    title: str
    folder: Path
    needs: Mapping[str, str]
    """The programs and files it needs, and what has each: a Debian package, or `make brokers`."""
    version: tuple[str, ...]
    server: tuple[str, ...]
    """The server's command; see `words_for` for what stands in it."""
    setting: tuple[str, ...]
    """How one setting is written in it."""
    adapter: str | tuple[str, ...]
    """`file.py:factory` in its folder, or a command."""
    faults: tuple[str, ...]
    configurations: tuple[Configuration, ...]
    build: tuple[tuple[str, ...], ...] = ()
    """The commands that fetch and build it, run in its folder."""
    repair: tuple[str, ...] = ()
    """What an operator runs on `{dir}` where the server cannot be opened."""
    on_request: tuple[str, ...] = ()
    """Grades that are run only where they are asked for, as they take long."""
    disk_mib: int | None = None
    """How large its disks must be at least; None: as the grades have them."""
    reply_timeout: float = REPLY_TIMEOUT

    @property
    def name(self) -> str:
        """Its name: that of its folder."""
        return self.folder.name

    @property
    def grades(self) -> tuple[str, ...]:
        """The grades that it may be judged by."""
        return (*self.faults, *self.on_request)

    @property
    def built(self) -> Path:
        """Where it is built."""
        return Path("build/brokers", self.name).resolve()

    def missing(self) -> list[str]:
        """Return what this machine has not got of what it needs, each with what has it."""
        needed = {self._filled(tool): where for tool, where in self.needs.items()}
        return [
            f"{tool} ({where if where.startswith('make ') else f'Debian: {where}'})"
            for tool, where in needed.items()
            if shutil.which(tool) is None and not Path(tool).is_file()
        ]

    def target_for(self, place: Place) -> str | tuple[str, ...]:
        """Return the adapter, as `ackcheck run` names it."""
        return f"{self.folder}/{self.adapter}" if isinstance(self.adapter, str) else self.words_for(self.adapter, place)

    def server_for(self, settings: Mapping[str, str], place: Place) -> tuple[str, ...]:
        """Return the server's command with these settings; `{dir}` is still to be filled in."""
        words: list[str] = []
        for word in self.server:
            if word == "{settings}":
                for key, value in settings.items():
                    words += [part.replace("{key}", key).replace("{value}", value) for part in self.setting]
            else:
                words.append(word)
        return self.words_for(words, place)

    def words_for(self, words: list[str] | tuple[str, ...], place: Place) -> tuple[str, ...]:
        """Return a command in which `{run}` and `{port}` are where the server listens, `{folder}` is the profile's,
        `{build}` where it was built; `{dir}`, the server's directory, is filled in by the suite."""
        return tuple(
            self._filled(word).replace("{run}", str(place.run)).replace("{port}", str(place.port)) for word in words
        )

    def _filled(self, word: str) -> str:
        return word.replace("{folder}", str(self.folder)).replace("{build}", str(self.built))


def names() -> tuple[str, ...]:
    """Return the names of all brokers that have a profile."""
    return tuple(sorted(path.parent.name for path in HERE.glob("*/profile.toml")))


def read_profile(name: str) -> Profile:
    """Return the profile of a broker."""
    if name not in names():
        raise BadProfile(f"no broker {name!r}; {nearest(name, names(), 'there are')}")
    path = HERE / name / "profile.toml"
    try:
        stated = toml_of(path)
    except Unreadable as error:
        raise BadProfile(str(error)) from error
    return profile_of(stated, path.parent)


def profile_of(stated: Mapping[str, Any], folder: Path) -> Profile:
    """Return the profile that was stated; raise `BadProfile` with what to write instead."""
    where = str(folder)
    _check_fields(stated, FIELDS, MORE, where)
    repair, build = stated.get("repair", ["none"]), stated.get("build", [["none"]])
    for name in ("version", "server", "setting", "faults", "on_request"):
        _check_words(stated.get(name, ["none"]), f"{where}: {name}")
    for words in [repair, *build]:
        _check_words(words, f"{where}: repair, and each command of build,")
    if not isinstance(stated["adapter"], str):
        _check_words(stated["adapter"], f"{where}: adapter")
    return Profile(
        str(stated["title"]),
        folder,
        stated["needs"],
        tuple(stated["version"]),
        tuple(stated["server"]),
        tuple(stated["setting"]),
        stated["adapter"] if isinstance(stated["adapter"], str) else tuple(stated["adapter"]),
        tuple(stated["faults"]),
        tuple(_configuration(one, stated, where) for one in stated["configuration"]),
        tuple(map(tuple, build)) if "build" in stated else (),
        tuple(repair) if "repair" in stated else (),
        tuple(stated.get("on_request", ())),
        _number(stated.get("disk_mib"), int, f"{where}: disk_mib"),
        _number(stated.get("reply_timeout"), float, f"{where}: reply_timeout") or REPLY_TIMEOUT,
    )


def _configuration(one: Mapping[str, Any], stated: Mapping[str, Any], folder: str) -> Configuration:
    _check_fields(one, OF_A_CONFIGURATION, MORE_OF_A_CONFIGURATION, f"{folder}: a configuration")
    where = f"{folder}: {one['name']}"
    try:
        return Configuration(
            str(one["name"]),
            {str(key): str(value) for key, value in one["settings"].items()},
            None if one["claims"] == "none" else Level(one["claims"]),
            str(one["reason"]),
            _by_grade(one["expect"]),
            _by_grade(one.get("may", {})),
            frozenset(Fault(name) for name in one.get("unreached", ())),
            promises_of({**stated["promises"], **one.get("promises", {})}),
            repair=one.get("repair", False) is True,
            allows=frozenset(map(Effect, one.get("allows", ()))),
        )
    except BadPromise as error:
        raise BadProfile(f"{where}: {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise BadProfile(
            f"{where}: {error}; write outcomes by grade and fault, as power = {{ 'power loss' = ['returned'] }}"
        ) from error


def _by_grade(stated: Mapping[str, Any]) -> dict[str, ByFault]:
    return {
        grade: {Fault(fault): frozenset(map(Outcome.read, outcomes)) for fault, outcomes in by_fault.items()}
        for grade, by_fault in stated.items()
    }


def _check_fields(stated: Mapping[str, Any], fields: tuple[str, ...], more: tuple[str, ...], where: str) -> None:
    wrong = sorted((set(fields) - set(stated)) | (set(stated) - set(fields) - set(more)))
    if wrong:
        what = f"write each of {', '.join(fields)}, perhaps {', '.join(more)}, and nothing else"
        raise BadProfile(f"{where}: {', '.join(wrong)}: {what}")


def _check_words(value: object, where: str) -> None:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise BadProfile(f"{where} is {value!r}: write a list of words, as ['redis-server', '--version']")


def _number(value: Any, kind: type[int] | type[float], where: str) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | kind) or not 0 < value < 1 << 20):
        raise BadProfile(f"{where} is {value!r}: write a number over 0")
    return value
