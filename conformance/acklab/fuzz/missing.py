"""What is said where Atheris is not installed; in a module of its own, since it imports nothing that Atheris watches.

>>> str(AtherisMissing())
"needs atheris, which is not installed: pip install 'ackcheck[fuzz]'"
"""

from __future__ import annotations


class AtherisMissing(RuntimeError):
    """Atheris is not installed."""

    def __init__(self) -> None:
        super().__init__("needs atheris, which is not installed: pip install 'ackcheck[fuzz]'")
