"""A claim: what a store was shown to keep, in a form to be published, with what it takes to repeat it.

Claims stand in a folder per version of the specification, `CLAIMS/VERSION/NAME/LEVEL-PROFILE.json`, each beside a
README with a section *Reproduce*. A claim is not edited: its checksum covers all of it. And it goes stale: of the
version that is in force and the one before it *current*, of the one before those *partial*, of older ones *stale*.

>>> [standing("3", of) for of in ("3", "2", "1", "0", "9")]
['current', 'current', 'partial', 'stale', 'unknown']
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from ackcheck.reports.record import Record
from ackmodel import VERSION, Level

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
TEXTS = ("specification", "store", "version", "level", "profile", "command", "began", "sha256")
FIELDS = dict.fromkeys(TEXTS, str) | dict.fromkeys(("clauses", "promises", "machine"), dict)
"""What every claim has."""
MOST_BYTES = 1 << 20
"""Bytes of a claim that are read."""


class NoClaim(ValueError):
    """Nothing can be claimed, or what is given is no claim; the message says why, and what would mend it."""


@frozen
class Checked:
    """One file of a folder of claims: what it claims, how it stands, and what is wrong with it, if anything is."""

    path: Path
    standing: str
    claims: str = ""
    wrong: str = ""


def claim_of(record: Record, name: str, version: str) -> dict[str, Any]:
    """Return the claim that a verdict allows; raises `NoClaim` where it allows none.

    `name` and `version` say what was judged, as its users know it: `rocketmq`, `5.5.0`.
    """
    if not NAME.fullmatch(name):
        raise NoClaim(f"{name!r} is no name for a folder: use a-z, 0-9, '.', '_' and '-', at most 64")
    if not version or len(version) > 64 or not version.isprintable():
        raise NoClaim(f"{version!r:.70} is no version: write what its users call it, as 5.5.0")
    if record.level is None:
        raise NoClaim(f"this verdict keeps no level ({record.outcome}): there is nothing to claim")
    if not record.machine or not record.command:
        raise NoClaim("this verdict does not say where and how it was made: run it again with this version")
    if record.level not in [level.value for level in Level] or not NAME.fullmatch(record.profile):
        raise NoClaim(f"no level {record.level!r:.40}, or no profile {record.profile!r:.40}: give an unedited verdict")
    claim = {
        "specification": specification_of(record),
        "store": name,
        "version": version,
        "level": record.level,
        "profile": record.profile,
        "seed": record.seed,
        "promises": dict(record.promises),
        "clauses": {clause.id: clause.status for clause in record.clauses},
        "at_stake": {level.level: {c: t for c, (t, _) in level.at_stake.items()} for level in record.levels},
        "broken": [{"clause": f.clause, "why": f.why, "refutes": list(f.refutes)} for f in record.findings],
        "machine": dict(record.machine),
        "command": record.command,
        "began": record.began,
    }
    return claim | {"sha256": checksum(claim)}


def specification_of(record: Record) -> str:
    """Return the version of the specification that a verdict was made with; raises `NoClaim` where it names none."""
    stated = record.machine.get("specification")
    if not isinstance(stated, str) or not stated.isdigit():
        raise NoClaim("this verdict names no version of the specification: run it again with this version")
    return stated


def checksum(claim: dict[str, Any]) -> str:
    """Return the SHA-256 of all of a claim but its checksum, as JSON with sorted keys and no blanks."""
    told = {name: value for name, value in claim.items() if name != "sha256"}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_claim(claim: dict[str, Any], folder: Path) -> Path:
    """Write a claim and its README into a folder of claims; returns the claim's file. An older one is replaced."""
    home = folder / claim["specification"] / claim["store"]
    home.mkdir(parents=True, exist_ok=True)
    path: Path = home / f"{claim['level']}-{claim['profile']}.json"
    if home.resolve() != folder.resolve() / claim["specification"] / claim["store"] or path.is_symlink():
        raise NoClaim(f"{path} is behind a link: name a folder of claims without links in it")
    path.write_text(json.dumps(claim, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (home / "README.md").write_text(readme([_read(path) for path in sorted(home.glob("*.json"))]), encoding="utf-8")
    return path


def readme(claims: list[dict[str, Any]]) -> str:
    """Return the README of a store's claims of one version of the specification."""
    first = claims[0]
    rows = [
        f"| {each['level']} | {each['version']} | {each['profile']} | {each['began'][:10]} | {_judged(each)} "
        f"| {', '.join(f'{k} = {v}' for k, v in each['promises'].items()) or 'the strictest'} |"
        for each in claims
    ]
    return "\n".join(
        [
            f"# {first['store']}",
            "",
            f"Judged by version {first['specification']} of the specification.",
            "",
            "| level | version | profile | on | clauses kept | promises |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "## Reproduce",
            "",
            *(f"    {command}" for command in dict.fromkeys(each["command"] for each in claims)),
            "",
            f"On Linux {first['machine'].get('kernel')}, with ackcheck {first['machine'].get('ackcheck')}; the file "
            "systems and their mount options are in the JSON.",
            "",
        ]
    )


def _judged(claim: dict[str, Any]) -> str:
    statuses = list(claim["clauses"].values())
    return f"{statuses.count('kept')} of {len(statuses)}"


def standing(now: str, of: str) -> str:
    """Return how a claim stands whose specification has version `of`, where `now` is in force."""
    if not (now.isdigit() and of.isdigit()) or int(of) > int(now):
        return "unknown"
    return ("current", "current", "partial")[int(now) - int(of)] if int(now) - int(of) < 3 else "stale"


def checked(folder: Path) -> Iterator[Checked]:
    """Yield how every claim of a folder stands."""
    for path in sorted(folder.rglob("*.json")):
        try:
            claim = _read(path)
        except NoClaim as error:
            yield Checked(path, "unknown", wrong=str(error))
            continue
        told = f"{claim['store']} {claim['version']}: level {claim['level']}, profile {claim['profile']}"
        wrong = "" if claim["sha256"] == checksum(claim) else "it was edited: its checksum is not that of its text"
        yield Checked(path, standing(VERSION, str(claim["specification"])), told, wrong)


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.is_symlink() or path.stat().st_size > MOST_BYTES:
            raise NoClaim("it is a link, or longer than 1 MiB: give what `ackcheck claim write` wrote")
        claim = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise NoClaim(f"it cannot be read as JSON: {error}") from error
    if not isinstance(claim, dict) or any(not isinstance(claim.get(name), kind) for name, kind in FIELDS.items()):
        raise NoClaim("it is no claim: give what `ackcheck claim write` wrote")
    return claim
