"""Copying the model into somebody else's tests, under a name of theirs, and saying later whether the copy is as it was.

A copy is a folder, or one file that holds the same modules. It depends on attrs only. Beside it, or in its first line,
stands what it is a copy of, with a checksum of every module:

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as place:
...     made = vendor(Path(place), "brokerspec")
...     seen = check(Path(place), "brokerspec")
>>> made.name, seen.changed, seen.behind
('brokerspec', (), False)
"""

from __future__ import annotations

import hashlib
import json
import keyword
import re
import shutil
import sys
from collections.abc import Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from attrs import frozen

import ackmodel

MODEL = Path(ackmodel.__file__).resolve().parent
PACKAGE = ackmodel.__name__
RECORD = "VENDORED.json"
FIRST = "# vendored: "
"""How the first line of a single file begins; the record follows, as JSON."""
MOST_BYTES = 4 << 20
"""Bytes of a copy's file that are read; the whole model has a twentieth of that."""
LOADER = "single_file.py.txt"


class NotVendored(ValueError):
    """The model cannot be copied there, or what is there is no copy; the message says what to do."""


@frozen
class Seen:
    """What has become of a copy. `changed` are its modules that are not as they were copied; `behind` says that this
    version of ackcheck would write another copy."""

    model: str
    ackcheck: str
    changed: tuple[str, ...]
    behind: bool


def vendor(folder: Path, name: str, *, single_file: bool = False, overwrite: bool = False) -> Path:
    """Copy the model into a folder as the package `name`, or as the module `name` in one file; return where it is.

    A copy that is there already is brought up to date; one that was changed only with `overwrite`.
    """
    _check_name(name)
    place, other = folder / name, folder / f"{name}.py"
    if single_file:
        place, other = other, place
    if other.exists():
        raise NotVendored(f"{other} is there, and Python would import only one of the two: remove it first")
    if place.is_symlink() or folder.is_symlink():
        raise NotVendored(f"{place} is a link, or in one: name the folder itself")
    if place.exists():
        _may_be_replaced(folder, name, place, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    modules = _modules(name)
    if single_file:
        place.write_text(_one_file(modules), encoding="utf-8")
        return place
    if place.exists():
        shutil.rmtree(place)
    for path, text in modules.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text, encoding="utf-8")
    (place / RECORD).write_text(json.dumps(_record(modules), indent=2) + "\n", encoding="utf-8")
    return place


def check(folder: Path, name: str) -> Seen:
    """Return what has become of the copy `name` in a folder; raises `NotVendored` where there is none."""
    _check_name(name)
    package, file = folder / name, folder / f"{name}.py"
    if package.is_dir() and not package.is_symlink():
        return _seen(name, _stated(_read(package / RECORD), package / RECORD), _folder_sums(package))
    if file.is_file() and not file.is_symlink():
        first, _, rest = _read(file).partition("\n")
        if not first.startswith(FIRST):
            raise NotVendored(f"{file} was not written by `ackcheck vendor`: its first line says nothing of it")
        stated = _stated(first.removeprefix(FIRST), file)
        return _seen(name, stated | {"files": {file.name: stated.get("sha256")}}, {file.name: _sum(rest)})
    raise NotVendored(f"neither {package} nor {file} is there: write it with `ackcheck vendor {folder} --name {name}`")


def _check_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        raise NotVendored(f"{name!r} is no name for a module: write letters, digits and '_', as brokerspec")
    if name in sys.stdlib_module_names or name in {"attr", "attrs"}:
        raise NotVendored(f"{name!r} would hide the module of that name: choose another, as brokerspec")


def _may_be_replaced(folder: Path, name: str, place: Path, *, overwrite: bool) -> None:
    try:
        changed = check(folder, name).changed
    except NotVendored as error:
        raise NotVendored(f"{place} is there, and no copy of the model ({error}): choose another name") from error
    if changed and not overwrite:
        told = ", ".join(changed[:3]) + (" and others" if len(changed) > 3 else "")
        raise NotVendored(f"{told} in {place} was changed, and that would be lost: --overwrite does it all the same")


def _modules(name: str) -> dict[str, str]:
    """Return the text of every file of the model by its path, with its own name changed to `name`."""
    texts = {}
    for path in sorted(MODEL.rglob("*")):
        if path.suffix == ".py" or path.name == "py.typed":
            text = path.read_text(encoding="utf-8")
            texts[path.relative_to(MODEL).as_posix()] = re.sub(rf"\b{PACKAGE}\b", name, text)
    return texts


def _record(modules: Mapping[str, str]) -> dict[str, Any]:
    """Return what a copy says of itself."""
    files = {path: _sum(text) for path, text in modules.items()}
    made = {
        "copy_of": PACKAGE,
        "model": ackmodel.VERSION,
        "ackcheck": metadata.version("ackcheck"),
        "licence": "Apache-2.0",
    }
    return made | {"files": files}


def _one_file(modules: Mapping[str, str]) -> str:
    """Return a module that holds all others as text, and imports them from there."""
    sources = []
    for path, text in modules.items():
        if path.endswith(".py"):
            if "'''" in text or text.endswith("\\"):
                raise NotVendored(f"{path} has three quotes in it, and cannot stand in one file: vendor the folder")
            sources.append(f"    {path.removesuffix('.py')!r}: r'''{text}''',\n")
    loader = resources.files(__package__).joinpath(LOADER).read_text(encoding="utf-8")
    rest = loader.replace("    # the sources\n", "".join(sources))
    stated = {name: value for name, value in _record(modules).items() if name != "files"}
    return f"{FIRST}{json.dumps(stated | {'sha256': _sum(rest)})}\n{rest}"


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NotVendored(f"{path} is longer than 4 MiB: it is no copy of the model")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotVendored(f"{path} cannot be read: {error}; it is no copy that `ackcheck vendor` wrote") from error


def _stated(text: str, where: Path) -> dict[str, Any]:
    try:
        stated = json.loads(text)
        if stated["copy_of"] != PACKAGE or not isinstance(stated.get("files", {}), dict):
            raise ValueError(f"it is a copy of {stated['copy_of']}")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise NotVendored(f"{where} says nothing of a copy of the model ({error}): vendor it again") from error
    return dict(stated)


def _folder_sums(package: Path) -> dict[str, str]:
    """Return the checksum of every module of a copy."""
    found = (path for path in sorted(package.rglob("*")) if path.suffix == ".py" or path.name == "py.typed")
    return {path.relative_to(package).as_posix(): _sum(_read(path)) for path in found}


def _seen(name: str, stated: Mapping[str, Any], sums: Mapping[str, str]) -> Seen:
    files = stated["files"]
    changed = tuple(path for path in sorted({*files, *sums}) if files.get(path) != sums.get(path))
    modules = _modules(name)
    if "sha256" in stated:
        behind = stated["sha256"] != _sum(_one_file(modules).partition("\n")[2])
    else:
        behind = files != _record(modules)["files"]
    return Seen(str(stated.get("model")), str(stated.get("ackcheck")), changed, behind)
