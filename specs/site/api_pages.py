"""The reference of the API: what is public, as its docstrings tell it."""

import importlib
import inspect
from typing import Any

MODULES = {
    "ackmodel": "The model, and the oracle: what you vendor",
    "ackcheck.target": "What a target on real files provides",
    "ackcheck.sim.target": "What a stepped target provides",
    "ackcheck.suite": "Running the suite",
    "ackcheck.outcomes": "Asking a verdict",
    "ackstore": "The reference store",
}
ONLY = {"ackcheck.suite": {"judge", "BadRequest"}}
"""What of a module is for everybody, where it does not say so with `__all__`."""


def api_page() -> str:
    """Return the page."""
    about = "What is public of each package. [The model](vendoring.md) and [the store](embedding.md) have tutorials."
    parts = ["# API", about]
    for name, title in MODULES.items():
        module = importlib.import_module(name)
        parts += [f"## {name}", f"{title}.", _text(module)]
        parts += [_entry(each, getattr(module, each)) for each in _public(name, module)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _public(name: str, module: Any) -> list[str]:
    if name in ONLY:
        return sorted(ONLY[name])
    stated = getattr(module, "__all__", None)
    names = stated or [each for each, value in vars(module).items() if getattr(value, "__module__", "") == name]
    shown = {each: getattr(module, each) for each in names if each[0] != "_"}
    return [each for each, value in shown.items() if inspect.isclass(value) or inspect.isfunction(value)]


def _entry(name: str, value: Any) -> str:
    parts = [f"### {name}", f"```python\n{_signature(name, value)}\n```", _text(value)]
    if inspect.isclass(value):
        methods = [(each, found) for each, found in vars(value).items() if each[0] != "_" and inspect.isfunction(found)]
        parts += [f"`{each}{_arguments(found)}`\n\n:   {_first(found)}" for each, found in methods if found.__doc__]
    return "\n\n".join(filter(None, parts))


def _signature(name: str, value: Any) -> str:
    return f"class {name}" if inspect.isclass(value) else f"{name}{_arguments(value)}"


def _arguments(function: Any) -> str:
    try:
        return str(inspect.signature(function))
    except (ValueError, TypeError):
        return "(...)"


def _first(value: Any) -> str:
    return (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")


def _text(value: Any) -> str:
    """Return a docstring as Markdown: its examples in a fence."""
    blocks = []
    for block in (inspect.getdoc(value) or "").split("\n\n"):
        blocks.append(f"```pycon\n{inspect.cleandoc(block)}\n```" if block.lstrip().startswith(">>>") else block)
    return "\n\n".join(blocks)
