"""The page to walk in: it holds the graph that was explored, and in a browser it walks."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ackexplore import Options, Result, explore
from ackexplore.reports import walk
from ackexplore.reports.walk import TooLarge, walk_page, walkable
from ackexplore.reports.walking import Walk
from ackmodel import Config

BROKEN = Config(sync_failures=1, rules={"rewrite-after-failure": False})
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def result() -> Result:
    return explore(BROKEN, Options(engine="graph"))


def test_the_page_holds_every_state_and_transition_and_what_breaks_where(result: Result) -> None:
    told = walkable(result)
    assert len(told["states"]) == result.states
    assert sum(map(len, told["edges"])) == result.edges
    assert {name for state in told["states"] for name in state["broken"]} <= {
        clause.value for clause in result.violations
    }
    assert any(state["broken"] for state in told["states"])
    assert told["faults"] == ["sync_fails"]
    assert list(told["off"]) == ["rewrite-after-failure"]
    assert all(0 <= move[2] < result.states for moves in told["edges"] for move in moves)


def test_belief_and_truth_stand_in_lanes_of_their_own(result: Result) -> None:
    states = walkable(result)["states"]
    [state] = [state for state in states if "flush-rewrites" in state["broken"]][:1]
    assert "checkpoint: flushed" in state["store"]
    assert state["cache"] == ["checkpoint (phantom)"]
    assert state["disk"] == []


def test_nothing_in_the_data_can_end_the_script_and_nothing_is_loaded(result: Result) -> None:
    page = walk_page(result, "</script><b>&")
    assert page.count("</script>") == 1
    assert not re.search(r"https?:|src=|@import|url\(", page)
    data = re.search(r"const graph = (.*);\nconst at", page)
    assert data is not None
    assert json.loads(data[1])["command"] == "</script><b>&"


def test_what_is_too_large_is_refused_with_a_mend(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MOST_STATES", 10)
    with pytest.raises(TooLarge, match="use fewer messages"):
        walk_page(result, "a test")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt install chromium")
def test_in_a_browser_the_way_in_the_address_is_walked(result: Result, tmp_path: Path) -> None:
    led = Walk.of(BROKEN).led()  # the terminal's walk: its way is one on the page, too
    assert led is not None
    page = tmp_path / "walk.html"
    page.write_text(walk_page(result, "a test"), encoding="utf-8")
    assert CHROMIUM is not None
    words = [
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    ran = subprocess.run(
        [*words, "--virtual-time-budget=2000", "--dump-dom", f"{page.as_uri()}#{led.way}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    if ran.returncode:
        pytest.skip(f"{CHROMIUM} does not run here")
    seen = ran.stdout
    shown = seen[seen.index("<tbody") : seen.index("</tbody>")]
    assert shown.count("<tr") == 1 + len(led.taken)
    assert "sync fails" in shown
    assert '<p class="broken"><b>flush-is-real</b>' in seen
    assert "checkpoint (phantom)" in shown
