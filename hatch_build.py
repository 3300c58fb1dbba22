"""Builds what `ackstore` has in C, its folders `compiled`, where a C compiler is there.

For each `.pxd` there the source is the `.pyx` beside it, or else the file of that name in the folder `plain` next to
`compiled`, which is run as it is where nothing is compiled.

Nothing depends on it but speed: without a compiler, or with ACKSTORE_PURE set, the package is built without it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HOMES = (Path("ackstore", "fields", "compiled"), Path("ackstore", "fastpath", "compiled"))
DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # the types for C stand in the .pxd files
    "binding": False,
    "boundscheck": False,
    "wraparound": False,
}


class Compile(BuildHookInterface[Any]):
    """Puts the extension beside its source, from where a checkout imports it, and into the wheel."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Compile before a wheel, or the link to a checkout, is made."""
        if os.environ.get("ACKSTORE_PURE"):
            return
        try:
            built = compiled(Path(self.root))
        except Exception as error:
            # Whatever the compiler and its tools may raise: the package is whole without it.
            self.app.display_warning(f"ackstore is built without its compiled part, so acks are slower: {error}")
            return
        build_data["artifacts"] += [f"/{file.relative_to(self.root).as_posix()}" for file in built]
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compiled(root: Path, only: Sequence[str] = ()) -> list[Path]:
    """Compile the fast path, or `only` some modules of it; returns where the extensions are."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    os.chdir(root)
    with tempfile.TemporaryDirectory() as place:
        found = gathered(Path(place))
        sources = {name: source for name, source in found.items() if not only or name.rpartition(".")[2] in only}
        extensions = [Extension(name, [source], extra_compile_args=["-O3"]) for name, source in sources.items()]
        modules = cythonize(
            extensions, include_path=[place], build_dir=place, quiet=True, compiler_directives=DIRECTIVES
        )
        command = build_ext(Distribution({"name": "ackstore", "ext_modules": modules}))
        command.build_lib, command.build_temp = str(root / "impl"), place
        command.ensure_finalized()
        command.run()
        return [root / "impl" / command.get_ext_filename(name) for name in sources]


def gathered(place: Path) -> dict[str, str]:
    """Put what is compiled, and copies of the Python files that it is compiled from, into one folder; returns the
    source of each module."""
    sources = {}
    for home in HOMES:
        (place / home).mkdir(parents=True)
        for folder in (home, *home.parents):
            (place / folder / "__init__.py").touch()
        for file in sorted(Path("impl", home).glob("*.p[xy]*")):
            if file.suffix in (".pxd", ".pyx"):
                shutil.copy(file, place / home)
                own = Path("impl", home.parent, "plain", f"{file.stem}.py")
                source = file.with_suffix(".pyx") if file.with_suffix(".pyx").exists() else own
                shutil.copy(source, place / home)
                sources[".".join([*home.parts, file.stem])] = str(place / home / source.name)
    return sources


if __name__ == "__main__":
    sys.stdout.write("".join(f"{file}\n" for file in compiled(Path(__file__).parent, sys.argv[1:])))
