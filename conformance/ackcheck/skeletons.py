"""Skeletons of adapters, by language: what `ackcheck new` writes. Each works as it stands, and marks what is yours.

>>> sorted(LANGUAGES)
['go', 'java', 'node', 'python', 'rust', 'stepped']
>>> [path for path, _ in files_of("go")]
['README.md', 'go.mod', 'main.go']
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "new"

LANGUAGES: Mapping[str, str] = {
    "python": "a class, on real files",
    "stepped": "a Python class that hands out its I/O, for the simulated grade",
    "go": "a program, standard library only",
    "java": "a program, Java 17, no library",
    "node": "a program, Node 18, no package",
    "rust": "a program, no crate",
}
KINDS = {".md", ".mod", ".go", ".java", ".mjs", ".py", ".rs", ".toml"}
"""The files of a skeleton; what a build leaves beside them is none of it."""


class NotEmpty(ValueError):
    """There is something where the skeleton should go; the message says what to do."""


def files_of(language: str) -> list[tuple[str, str]]:
    """Return the files of a skeleton: the path within it, and the text."""
    home = FOLDER / language
    paths = sorted(path for path in home.rglob("*") if path.is_file() and path.suffix in KINDS)
    return [(path.relative_to(home).as_posix(), path.read_text(encoding="utf-8")) for path in paths]


def write_skeleton(language: str, folder: Path) -> list[Path]:
    """Write a skeleton into a folder that is new or empty, and return its files."""
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or os.listdir(folder))):
        raise NotEmpty(f"{folder} is there, and not empty: name a new folder")
    written = []
    for name, text in files_of(language):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
