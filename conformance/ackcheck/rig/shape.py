"""Whether an object has the methods that a target has, with their arguments: all that is wrong is told together.

>>> class Short:
...     def open(self, directory): ...
...     def ack(self, r): return "OK"
>>> for line in lacks(Short(), Target, Extended)[-2:]:
...     print(line)
no method stats()
ack(r) cannot be called as ack(receipt=...): name its arguments as the protocol does
"""

from __future__ import annotations

import inspect
from typing import Any

from ackcheck.target import Extended, Target

__all__ = ["Extended", "Target", "lacks"]


def lacks(target: object, needed: type[Any], offered: type[Any]) -> list[str]:
    """Return what is wrong with an object that is to have the methods of `needed`, and may have those of `offered`."""
    missing, differing = [], []
    for name in sorted(_methods(needed) | _methods(offered)):
        method = getattr(target, name, None)
        names = _arguments(getattr(offered if hasattr(offered, name) else needed, name))
        if callable(method):
            differing += _differing(name, method, names, _by_name(needed, name))
        elif name in _methods(needed):
            missing.append(f"no method {name}({', '.join(names)})")
    return missing + differing


def _methods(protocol: type[Any]) -> frozenset[str]:
    """Return the methods that a protocol class itself defines."""
    return frozenset(name for name, value in vars(protocol).items() if inspect.isfunction(value) and name[0] != "_")


def _arguments(method: Any) -> list[str]:
    return [name for name in inspect.signature(method).parameters if name != "self"]


def _by_name(needed: type[Any], name: str) -> bool:
    """Tell whether arguments are given by their names: to a target on real files, except to `open`."""
    return needed is Target and name != "open"


def _differing(name: str, method: Any, names: list[str], by_name: bool) -> list[str]:
    try:
        signature = inspect.signature(method)
    except (ValueError, TypeError):  # written in C: it will be seen when it is called
        return []
    try:
        if by_name:
            signature.bind(**dict.fromkeys(names))
        else:
            signature.bind(*names)
    except TypeError:
        called = ", ".join(f"{each}=..." if by_name else each for each in names)
        mend = "name its arguments as the protocol does" if by_name else "it must take as many"
        return [f"{name}{signature} cannot be called as {name}({called}): {mend}"]
    return []
