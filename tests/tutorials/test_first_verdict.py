"""What the page "Your first verdict" shows fits the skeletons; `make tutorials` types it all, in minutes."""

from pathlib import Path

import pytest
from tests.tutorials.first_verdict import CODES, TOLD, commands, spoiled, taken_out

from ackcheck.skeletons import write_skeleton

SAVES = {"Python": "def save(", "Go": ") save("}


@pytest.mark.parametrize("language", list(TOLD))
def test_a_chapter_writes_builds_and_judges_and_its_planted_bug_is_in_save(language: str, tmp_path: Path) -> None:
    shown = commands(language)
    assert shown[0][:3] == ["ackcheck", "new", language.lower()]
    assert [words[words.index("--faults") + 1] for words in shown if words[1] == "run"] == list(CODES)
    write_skeleton(language.lower(), tmp_path / "it")
    text = (tmp_path / "it" / TOLD[language]).read_text(encoding="utf-8")
    begins, count = taken_out(language)
    assert begins in text[text.index(SAVES[language]) :]
    wrong = spoiled(text, language)
    assert wrong.count(begins) == text.count(begins) - 1
    assert wrong.count("\n") == text.count("\n") - count
    if language == "Python":
        compile(wrong, "target.py", "exec")
