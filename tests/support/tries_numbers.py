"""In the place of a module that tries mutants: it tries the numbers from 1 to 12, and writes down which.

python -m tests.support.tries_numbers --part 1/3 --results FILE [fail | hang]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main(part: str, results: Path, *how: str) -> None:
    """Try a part of the numbers."""
    number, parts = map(int, part.split("/"))
    known = results.read_text(encoding="utf-8").splitlines()
    mine = [str(one) for one in range(1, 13)][number - 1 :: parts]
    if "fail" in how:
        sys.exit("the tests cannot be collected")
    if "hang" in how:
        time.sleep(600)
    results.write_text("".join(f"{line}\n" for line in [*known, *(one for one in mine if one not in known)]))


if __name__ == "__main__":
    options = sys.argv[1:]
    at = options.index("--part")
    main(options[at + 1], Path(options[at + 3]), *options[:at])
