"""Exports can be read back by the programs they are for, and tell the same."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import itf_py
import networkx as nx
import pytest
from attrs import evolve

from ackexplore import Options, explore
from ackexplore.ending import explore_to_the_end
from ackexplore.reports.exports import NoGraph, dot_lines, itf, write_dot, write_graphml
from ackexplore.reports.page import html_page
from ackexplore.trace import trace_through
from ackmodel import Config, rule_named

BROKEN = Config(sync_failures=1, rules={"rewrite-after-failure": False})


def test_graphml_reads_back_as_the_same_graph(tmp_path: Path) -> None:
    result = explore(BROKEN)
    write_graphml(result, tmp_path / "graph.xml")
    back = nx.read_graphml(tmp_path / "graph.xml", node_type=int, force_multigraph=True)
    assert (back.number_of_nodes(), back.number_of_edges()) == (result.states, result.edges)
    assert sum(1 for _, node in back.nodes(data=True) if "flush-is-real" in node["broken"]) == 180
    assert {edge["action"] for _, _, edge in back.edges(data=True)} == {
        action for action, count in result.hits.items() if count
    }
    assert sorted((source, target) for source, target, _ in back.edges) == sorted(
        (source, target) for source, target, _ in result.graph.edges
    )


def test_dot_has_a_line_a_node_and_a_line_an_edge(tmp_path: Path) -> None:
    result = explore(BROKEN)
    write_dot(result, tmp_path / "graph.dot")
    lines = (tmp_path / "graph.dot").read_text().splitlines()
    assert sum(1 for line in lines if " -> " in line) == result.edges
    assert sum(1 for line in lines if re.match(r"  \d+ \[label=", line)) == result.states
    assert any("color=red" in line for line in lines)
    assert all(line.count('"') % 2 == 0 for line in lines)


def test_there_is_no_graph_of_the_table_engine() -> None:
    with pytest.raises(NoGraph, match="--engine graph"):
        list(dot_lines(explore(Config(), Options(engine="table"))))


def test_itf_has_every_state_and_no_bare_numbers() -> None:
    trace = explore(BROKEN, Options(stop_at="flush-is-real")).counterexample
    assert trace is not None
    told = itf(trace)
    assert len(told["states"]) == len(trace) + 1
    assert set(told["vars"]) | {"#meta"} == set(told["states"][0])
    assert told["states"][1]["actor"] == {"#bigint": "0"}
    assert told["states"][-1]["messages"][0]["checkpoint"] == {"stage": "flushed", "truth": "phantom"}
    assert told["states"][0]["shared"]["budget"]["sync_failures"] == {"#bigint": "1"}


@pytest.mark.parametrize("config", [BROKEN, Config(messages=2, rules={"commit-in-order": False})])
def test_the_itf_of_another_reads_our_traces(config: Config) -> None:
    trace = explore(config, Options(stop_at="any")).counterexample
    assert trace is not None
    told = json.loads(json.dumps(itf(trace)))
    read = itf_py.trace_from_json(told)
    assert read.vars == told["vars"]
    assert [state.values["action"] for state in read.states[1:]] == [step.action for step in trace.steps]
    last, shared = read.states[-1].values, trace.final[0]
    assert last["shared"].offset.volatile == shared.offset.volatile
    assert len(last["messages"]) == config.messages
    assert last["messages"][-1].checkpoint.stage == trace.final[1][-1].checkpoint.stage.value
    again = itf_py.trace_to_json(read)
    assert [state["messages"] for state in again["states"]] == [state["messages"] for state in told["states"]]


def test_dot_tells_every_node_and_edge(tmp_path: Path) -> None:
    result = explore(Config(messages=2))
    write_dot(result, tmp_path / "graph.dot")
    text = (tmp_path / "graph.dot").read_text()
    edges = re.findall(r"^\s*(\d+) -> (\d+)", text, flags=re.M)
    assert sorted((int(source), int(target)) for source, target in edges) == sorted(
        (source, target) for source, target, _ in result.graph.edges
    )


class Tags(HTMLParser):
    """Every tag opened must be closed, but for those that never are."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize(
    "name", ["rewrite-after-failure", "commit-in-order", "settled-is-final", "callback-after-flush"]
)
def test_the_page_is_whole_and_loads_nothing(name: str) -> None:
    rule = rule_named(name)
    trace = explore(Config().dropping(rule), Options(stop_at=rule.breaks[0])).counterexamples[rule.breaks[0]]
    page = html_page(trace)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.links == []
    assert "@import" not in page
    assert "url(" not in page
    text = " ".join(tags.texts)
    for step in trace.steps:
        assert step.action.replace("_", " ") in text
    assert f"in {len(trace)} steps" in text
    assert page.count("<tr") == 1 + len(trace)
    assert page.count("<th scope=row") == len(trace)
    assert page.count("<td") == 5 * len(trace)


def test_the_page_tells_belief_and_truth_apart() -> None:
    trace = explore(BROKEN, Options(stop_at="flush-is-real")).counterexample
    assert trace is not None
    cells = html_page(trace).split("<tr")[-1].split("<td")[1:]
    last = dict(zip(("client", "store", "cache", "disk", "offset"), cells, strict=True))
    assert "checkpoint: <span class=new>flushed</span>" in last["store"]
    assert "<span class=old>checkpoint (phantom)</span>" in last["cache"]
    assert "<li>" not in last["disk"]


def test_a_long_run_of_several_messages_names_each() -> None:
    path = [0]
    result = explore(Config(messages=2, deliveries=2))
    assert result.space is not None
    farthest = max(nx.single_source_shortest_path_length(result.graph, 0).items(), key=lambda item: item[1])[0]
    path = nx.shortest_path(result.graph, 0, farthest)
    trace = trace_through(result.space.model, [result.space.codes[node] for node in path])
    page = html_page(trace)
    assert "a run, in 29 steps" in page
    assert "class=broken" not in page
    assert "phase 1: <span class=new>popping</span>" in page
    assert "commit (1)" in page


def test_a_lasso_is_written_with_the_state_that_it_comes_back_to() -> None:
    stuck = Config(rules={"retry-after-failure": False}, sync_failures=1)
    _, findings = explore_to_the_end(stuck, Options(engine="graph"))
    trace = next(finding.trace for finding in findings if finding.trace is not None)
    assert itf_py.trace_from_json(json.loads(json.dumps(itf(trace)))).loop == trace.loop == len(trace)
    goes_round = evolve(trace, loop=len(trace) - 2)
    assert "For ever round the last 2 steps are taken" in html_page(goes_round)
    assert "For ever round the last step is taken" in html_page(evolve(trace, loop=len(trace) - 1))
    assert itf(goes_round)["loop"] == len(trace) - 2
    assert "class=last" not in html_page(goes_round)
