"""Which files this process has open.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder, open(f"{folder}/a", "w") as file:
...     len(open_below(Path(folder)))
1
"""

from __future__ import annotations

from pathlib import Path


def open_below(folder: Path) -> list[str]:
    """Return the files and folders there that this process has open, a folder itself among them."""
    numbers = Path("/proc/self/fd").iterdir()
    found = [str(each.readlink()) for each in numbers if each.is_symlink()]
    return [each for each in found if each.startswith(str(folder.resolve()))]
