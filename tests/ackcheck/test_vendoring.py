"""Vendoring: the copy works under its own name, says what became of it, and the tutorial is true, all of it."""

import hashlib
import importlib
import json
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import ackmodel
from ackcheck.cli.vendor import vendor as command
from ackcheck.vendoring import NotVendored, check, vendor

PAGE = Path(__file__).parents[2] / "specs" / "vendoring.md"
QUICK = settings(phases=[Phase.generate], derandomize=True, database=None, deadline=None, stateful_step_count=12)
RETRY = "            self.disk.sync()  # once more; this time it works\n"


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to import from; what comes from there is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before, finders = set(sys.modules), list(sys.meta_path)
    yield tmp_path
    sys.meta_path[:] = finders
    for name in set(sys.modules) - before:
        del sys.modules[name]


def blocks() -> dict[str, str]:
    """The programs of the page, by their title."""
    found = re.findall(r'```python title="([^"]+)"\n(.*?)```', PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return dict(found)


def broken_by(store: str, most: int) -> str:
    """What the test of the page finds in a store, in this many examples at most; empty where it finds nothing."""
    module = types.ModuleType("store")
    exec(compile(store, "store.py", "exec"), module.__dict__)
    sys.modules["store"] = module
    test = types.ModuleType("test_store")
    exec(compile(blocks()["test_store.py"], "test_store.py", "exec"), test.__dict__)
    broken = importlib.import_module("brokerspec").Broken
    try:
        run_state_machine_as_test(test.StoreMachine, settings=settings(QUICK, max_examples=most))
    except broken as error:
        return str(error)
    return ""


def test_the_tutorial_finds_the_planted_bug_the_one_behind_it_and_then_nothing(importable: Path) -> None:
    vendor(importable, "brokerspec")
    told = blocks()
    store = told["store.py"]
    assert RETRY in store
    for each in (RETRY, told["first mend: in flush"]):
        assert broken_by(store.replace(RETRY, each), most=2000)  # some twenty are enough, and it ends with the first
    assert broken_by(store.replace(RETRY, told["second mend: in flush"]), most=40) == ""


@pytest.mark.parametrize("single_file", [False, True])
def test_a_copy_stands_by_itself_under_its_own_name(single_file: bool, tmp_path: Path) -> None:
    vendor(tmp_path, "brokerspec", single_file=single_file)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import brokerspec, traceback\n"
        "from brokerspec import Oracle, Level, events, monitors\n"
        "from brokerspec.spec.rules import RULES\n"
        "assert len(RULES) > 40 and brokerspec.VERSION\n"
        "assert 'ackmodel' not in sys.modules and Oracle.__module__ == 'brokerspec.observe.oracle'\n"
        "try: brokerspec.rule_named('no-such-rule')\n"
        "except brokerspec.UnknownRule: assert 'raise UnknownRule' in traceback.format_exc()\n"
    )
    subprocess.run([sys.executable, "-I", "-W", "error", "-c", program], check=True)
    assert check(tmp_path, "brokerspec").changed == ()


@pytest.mark.parametrize("single_file", [False, True])
def test_a_change_and_an_older_copy_are_told_apart(
    single_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = vendor(tmp_path, "brokerspec", single_file=single_file)
    monkeypatch.setattr(ackmodel, "VERSION", "99")
    assert (check(tmp_path, "brokerspec").behind, check(tmp_path, "brokerspec").changed) == (False, ())
    changed = place if single_file else place / "spec" / "rules.py"
    changed.write_text(changed.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    seen = check(tmp_path, "brokerspec")
    assert seen.changed == (("brokerspec.py",) if single_file else ("spec/rules.py",))
    with pytest.raises(NotVendored, match="--overwrite"):
        vendor(tmp_path, "brokerspec", single_file=single_file)
    vendor(tmp_path, "brokerspec", single_file=single_file, overwrite=True)
    assert check(tmp_path, "brokerspec").changed == ()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (ackmodel.VERSION, f"no state and no step: both are version {ackmodel.VERSION}"),
        ("0", f"it is of model 0, .* version {ackmodel.VERSION}"),
    ],
)
def test_a_copy_of_another_version_is_behind_and_is_brought_up_to_date(model: str, told: str, tmp_path: Path) -> None:
    place = vendor(tmp_path, "brokerspec")
    older = (place / "spec" / "rules.py").read_text(encoding="utf-8") + "# older\n"
    (place / "spec" / "rules.py").write_text(older, encoding="utf-8")
    record = json.loads((place / "VENDORED.json").read_text(encoding="utf-8"))
    record["files"]["spec/rules.py"] = hashlib.sha256(older.encode()).hexdigest()
    (place / "VENDORED.json").write_text(json.dumps({**record, "model": model}), encoding="utf-8")
    seen = check(tmp_path, "brokerspec")
    assert (seen.changed, seen.behind) == ((), True)
    ran = CliRunner().invoke(command, [str(tmp_path), "--check"])
    assert ran.exit_code == 1
    assert re.search(f"behind: .*{told}. Vendor it again", ran.stdout)
    assert CliRunner().invoke(command, [str(tmp_path)]).exit_code == 0
    assert CliRunner().invoke(command, [str(tmp_path), "--check"]).exit_code == 0


@pytest.mark.parametrize(
    ("name", "why"), [("json", "would hide"), ("a-b", "is no name"), ("class", "is no name"), ("../x", "is no name")]
)
def test_a_name_that_is_none_is_refused(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(NotVendored, match=why):
        vendor(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_yours_is_written_over_and_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.py").write_text("1", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for name in ("mine", "link"):
        with pytest.raises(NotVendored):
            vendor(tmp_path, name, overwrite=True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious.py"]
    vendor(tmp_path, "spec")
    with pytest.raises(NotVendored, match="only one of the two"):
        vendor(tmp_path, "spec", single_file=True)
