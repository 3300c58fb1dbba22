"""A search of the table engine on disk, so that it can be taken up again after it was killed.

A folder holds one file a level (packed states, `.npy`), and `search.json`: settings, counts, and every distinct value
of the model by number. A level is written once, when it is finished; `search.json` is replaced after it. Whatever
moment the search dies at, the folder holds a whole number of levels, and going on from there ends in the same counts.
Both have a checksum: a bit that has changed meanwhile would be another count, and nobody would know.

>>> import tempfile
>>> from ackmodel import Config
>>> with tempfile.TemporaryDirectory() as folder:
...     first = explore_with_checkpoint(Search(Config(messages=2)), Path(folder), resume=False)
...     again = explore_with_checkpoint(Search(Config(messages=2)), Path(folder), resume=True)
>>> first.states, again.states, again.depth
(1896, 1896, 21)
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ackexplore.result import BadCheckpoint, Result
from ackexplore.table.engine import Search
from ackexplore.table.layout import Layout, Words
from ackexplore.values import as_json, from_json

FORMAT = 3
INDEX = "search.json"


def explore_with_checkpoint(search: Search, folder: Path, *, resume: bool) -> Result:
    """Run a search that has not begun, saving each level in `folder`; with `resume`, go on from what is there.

    Raises `BadCheckpoint`, `TooManyStates`, `TooMuchMemory`, and `OSError` of the folder.
    """
    try:
        if resume:
            load(search, folder)
        else:
            if (folder / INDEX).exists():
                raise BadCheckpoint(f"{folder} holds a checkpoint: resume it (--resume), or name another folder")
            folder.mkdir(parents=True, exist_ok=True)
            search.start()
            save(search, folder)
        while not search.stopped and search.advance():
            save(search, folder)
        return search.result(complete=not search.stopped)
    finally:
        search.close()


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Put a whole file in the place of another: a crash leaves the old one or the new one."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as out:
        write(out)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _level_file(number: int) -> str:
    return f"level-{number:05}.npy"


def save(search: Search, folder: Path) -> None:
    """Save the newest level and all that has been counted."""
    steps, found, number = search.pairs.steps, search.found, len(search.levels) - 1
    newest = search.levels[-1]
    _replace(folder / _level_file(number), lambda out: np.save(out, newest))
    layout = {"widths": list(search.layout.widths), "word_bits": search.layout.word_bits}
    layout |= {"states": len(newest), "sha256": _sum_of(newest)}
    search.saved_layouts.append(layout)
    index = {
        "format": FORMAT,
        "model": search.pairs.steps.model.system.version,
        "config": as_json(search.pairs.steps.model.system.settings),
        "symmetric": search.options.symmetric,
        "seconds": search.seconds,
        "levels": search.saved_layouts,
        "hits": found.hits.tolist(),
        "violations": found.violations.tolist(),
        "places": [[bit, *place] for bit, place in found.places.items()],
        "model_calls": steps.model.calls,
        "actions": steps.model.actions,
        "shareds": as_json(steps.model.shareds),
        "messages": as_json(steps.model.messages),
        "slots": [slot.to_model for slot in steps.slots],
    }
    whole = {"sha256": _sum_of(json.dumps(index).encode()), "search": index}
    _replace(folder / INDEX, lambda out: out.write(json.dumps(whole).encode()))


def _sum_of(data: bytes | Words) -> str:
    return hashlib.sha256(data if isinstance(data, bytes) else np.ascontiguousarray(data).data).hexdigest()


def _index_of(search: Search, folder: Path) -> dict[str, Any]:
    index = _read_index(folder)
    asked = {
        "format": FORMAT,
        "model": search.pairs.steps.model.system.version,
        "config": as_json(search.pairs.steps.model.system.settings),
        "symmetric": search.options.symmetric,
    }
    for name, wanted in asked.items():
        if index.get(name) != wanted:
            raise BadCheckpoint(
                f"the checkpoint in {folder} is of another {name}: {index.get(name)!r}, not {wanted!r}; "
                "use the same again, or begin anew in another folder"
            )
    if index["sum"] != index["sha256"]:
        raise BadCheckpoint(f"{folder / INDEX} is damaged (its checksum is wrong): begin anew in another folder")
    return index


def _read_index(folder: Path) -> dict[str, Any]:
    """Return what `search.json` holds, with its checksum as it is written there (`sha256`), and as it is (`sum`)."""
    try:
        whole = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadCheckpoint(f"{folder} holds no checkpoint: begin one without --resume") from None
    except (ValueError, RecursionError) as error:
        raise BadCheckpoint(f"{folder / INDEX} is damaged ({error}): begin anew in another folder") from None
    match whole:
        case {"sha256": str(written), "search": dict(index)}:
            return {**index, "sha256": written, "sum": _sum_of(json.dumps(index).encode())}
        case {"format": told}:
            raise BadCheckpoint(
                f"the checkpoint in {folder} is of another format: {told!r}, not {FORMAT!r}; begin anew"
            )
    raise BadCheckpoint(f"{folder / INDEX} is damaged (it is no search): begin anew in another folder")


def _level(folder: Path, number: int, saved: dict[str, Any], into: Layout) -> Words:
    layout = Layout(widths=tuple(saved["widths"]), word_bits=saved["word_bits"])
    path = folder / _level_file(number)
    try:
        with path.open("rb") as file:  # and no `np.load`: what it raises depends on what the damage looks like
            states = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds no whole array of numbers"
        raise BadCheckpoint(f"{path} cannot be read ({why}): begin anew in another folder") from None
    if states.shape != (saved["states"], layout.words) or states.dtype != np.uint64:
        raise BadCheckpoint(f"{path} does not hold the states it should: begin anew in another folder")
    if _sum_of(states) != saved["sha256"]:
        raise BadCheckpoint(f"{path} is damaged (its checksum is wrong): begin anew in another folder")
    return layout.repack(states, into)


def load(search: Search, folder: Path) -> None:
    """Bring a search that has not begun to where the checkpoint left it."""
    index = _index_of(search, folder)
    steps, found = search.pairs.steps, search.found
    shared, messages = steps.model.system.initial()
    for told in index["shareds"]:
        steps.model.shared_id(from_json(type(shared), told))
    for told in index["messages"]:
        steps.model.message_id(from_json(type(messages[0]), told))
    for action in index["actions"]:
        steps.model.action_id(action)
    for slot, numbers in zip(steps.slots, index["slots"], strict=True):
        for number in numbers:
            slot.number(number)
    found.hits[:] = index["hits"]
    found.violations[:] = index["violations"]
    found.places.update({bit: (level, place, bool(in_step)) for bit, level, place, in_step in index["places"]})
    search.seconds_before = index["seconds"]
    search.layout = search.layout.grown(steps.counts)
    search.saved_layouts = index["levels"]
    search.take_up(_level(folder, number, saved, search.layout) for number, saved in enumerate(index["levels"]))
    steps.model.calls += index["model_calls"]
