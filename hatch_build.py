"""Builds `ackstore.fastpath._fast`, the compiled form of the store's short way, where a C compiler is there.

Nothing depends on it but speed: without a compiler, or with ACKSTORE_PURE set, the package is built without it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = Path("impl", "ackstore")


class Compile(BuildHookInterface[Any]):
    """Puts the extension beside its source, from where a checkout imports it, and into the wheel."""

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel, or the link to a checkout, is made."""
        if os.environ.get("ACKSTORE_PURE"):
            return
        try:
            built = compiled(Path(self.root))
        except Exception as error:
            # Whatever the compiler and its tools may raise: the package is whole without it.
            self.app.display_warning(f"ackstore is built without its compiled part, so acks are slower: {error}")
            return
        build_data["artifacts"].append(f"/{built.relative_to(self.root).as_posix()}")
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compiled(root: Path) -> Path:
    """Compile the extension; returns where it is."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    os.chdir(root)
    with tempfile.TemporaryDirectory() as place:
        extension = Extension(
            "ackstore.fastpath._fast", [str(PACKAGE / "fastpath" / "_fast.pyx")], extra_compile_args=["-O2"]
        )
        modules = cythonize([extension], build_dir=place, quiet=True)
        command = build_ext(Distribution({"name": "ackstore", "ext_modules": modules}))
        command.build_lib, command.build_temp = str(root / "impl"), place
        command.ensure_finalized()
        command.run()
        return root / "impl" / command.get_ext_filename("ackstore.fastpath._fast")


if __name__ == "__main__":
    sys.stdout.write(f"{compiled(Path(__file__).parent)}\n")
