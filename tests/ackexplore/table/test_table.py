"""The table engine finds exactly what the graph engine finds, and says when it cannot go on."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ackexplore import MissingExtra, Options, TooManyStates, TooMuchMemory, WontFit, explore
from ackexplore.graph.engine import explore_graph
from ackexplore.options import DEFAULTS
from ackexplore.table.engine import Search, explore_table
from ackexplore.table.estimate import estimate
from ackexplore.table.kernels import shards_of
from ackexplore.table.layout import Layout
from ackexplore.table.quotients import Quotients
from ackexplore.table.visited import Visited
from ackmodel import RULES, Clause, Config, moves
from table_search import to_the_end

SOUND = [
    Config(),
    Config(level="disk"),
    Config(commit="ack"),
    Config(messages=2),
    Config(messages=2, level="disk", commit="ack"),
    Config(messages=2, deliveries=2),
    Config(process_crashes=1),
    Config(power_losses=2, level="disk"),
    Config(sync_failures=2, degrade_after=2),
    Config(sync_failures=1, sync_timeouts=1),
    Config(write_failures=2, deliveries=2),
    Config(deliveries=2, process_crashes=1, commit="ack"),
]
WHOLE = [
    Config(renewals=1),
    Config(deliveries=2, releases=1, careless=True),
    Config(restarts=1, level="memory", merge_buffer=True),
    Config(level="memory", process_crashes=1),
    Config(dead_letters=True, compaction=True),
    Config(messages=2, limit=1, resets=1),
    Config(messages=2, logs=2),
    Config(sync_failures=1, sync_error="late", confirm_syncs=True),
    Config(sync_failures=1, sync_error="each", failed_page="reverted"),
    Config(sync_failures=2, refuse_after=2, degrade_after=1),
    Config(messages=2, uncommitted=True, restarts=1),
    Config(power_losses=1, restarts=1, resets=1, level="disk"),
    Config(deliveries=2, renewals=1, releases=1, restarts=1, commit="ack"),
    Config(messages=2, compaction=True, resets=1, rules={"retire-after-commit": False}),
]
BROKEN = [Config().dropping(rule) for rule in RULES.values()]
TWO_AT_ONCE = [
    Config(messages=2, rules={"commit-in-order": False, "commit-after-flush": False}),
    Config(sync_failures=1, power_losses=1, rules={"rewrite-after-failure": False}),
]


def same(config: Config, options: Options = DEFAULTS) -> None:
    """Both engines, asked the same, say the same."""
    graph, table = explore_graph(config, options), explore_table(config, options)
    for name in ("states", "edges", "depth", "complete", "violations", "hits", "reached", "at_stake"):
        assert getattr(table, name) == getattr(graph, name), name
    lengths = {clause: len(trace) for clause, trace in graph.counterexamples.items()}
    assert {clause: len(trace) for clause, trace in table.counterexamples.items()} == lengths
    for clause, trace in table.counterexamples.items():
        assert clause in trace.broken
        state = config.initial()
        for step in trace.steps:
            assert step.before == state
            assert (step.action, step.actor, step.after) in {
                (move.action, move.actor, move.after) for move in moves(config, state)
            }
            state = step.after


@pytest.mark.no_cover
@pytest.mark.parametrize("config", SOUND + WHOLE)
def test_both_engines_agree_where_every_clause_holds(config: Config) -> None:
    same(config)


@pytest.mark.no_cover
@pytest.mark.parametrize("config", BROKEN, ids=lambda config: next(iter(config.without)))
def test_both_engines_agree_where_a_rule_is_off(config: Config) -> None:
    same(config)


@pytest.mark.no_cover
@pytest.mark.parametrize("config", TWO_AT_ONCE)
def test_both_engines_stop_at_the_same_level(config: Config) -> None:
    for clause in explore_graph(config).violations:
        same(config, Options(stop_at=clause))


@pytest.fixture
def _in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every level is cut, and every one expanded while the model is asked."""
    monkeypatch.setattr("ackexplore.table.engine.SMALL_LEVEL", 1)
    monkeypatch.setattr("ackexplore.table.engine.ASKED_MEANWHILE", 1)


@pytest.mark.usefixtures("_in_threads")
@pytest.mark.parametrize("threads", [1, 2, 4, 8])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    config = Config(messages=2, power_losses=1)
    result = explore_table(config, Options(threads=threads))
    assert (result.states, result.edges, result.depth) == (31549, 105798, 29)


@pytest.mark.usefixtures("_in_threads")
@pytest.mark.parametrize("config", [*TWO_AT_ONCE, BROKEN[0], Config(messages=2, uncommitted=True)])
def test_both_engines_agree_where_the_model_is_asked_meanwhile(config: Config) -> None:
    same(config, Options(threads=3))
    same(config, Options(threads=2, symmetric=config.uncommitted))


@pytest.mark.parametrize("word_bits", [9, 14, 17])
def test_states_of_several_words_are_the_same_states(word_bits: int) -> None:
    for config in (Config(messages=2), TWO_AT_ONCE[0]):
        graph = explore_graph(config)
        search = Search(config, Options(threads=2), word_bits=word_bits)
        result = to_the_end(search)
        assert search.layout.words > 1
        assert (result.states, result.edges, result.depth) == (graph.states, graph.edges, graph.depth)
        assert (result.hits, result.violations) == (graph.hits, graph.violations)
        assert [*map(len, result.counterexamples.values())] == [*map(len, graph.counterexamples.values())]


def test_a_buffer_too_small_for_one_state_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackexplore.table.engine.BUFFER_BYTES", 64)
    result = explore_table(Config(messages=2, power_losses=1))
    assert (result.states, result.edges, result.depth) == (31549, 105798, 29)


def test_more_shards_hold_the_same_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackexplore.table.engine.MANY_STATES", 1_000)
    config = Config(messages=2, power_losses=1)
    search = Search(config, Options(threads=2))
    result = to_the_end(search)
    assert search.visited.shards == 256
    assert (result.states, result.edges, result.depth) == (31549, 105798, 29)


def test_more_missing_pairs_than_fit_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackexplore.table.engine.MISSING_PAIRS", 3)
    monkeypatch.setattr("ackexplore.table.pairs.MISSING", 2)
    result = explore_table(Config(process_crashes=1))
    assert (result.states, result.edges, result.depth) == (482, 999, 19)


def test_the_model_is_asked_once_for_each_distinct_pair() -> None:
    config = Config(messages=3)
    search = Search(config)
    search.start()
    while search.advance():
        pass
    search.close()
    rows = search.pairs.steps.rows.size
    result = search.result(complete=True)
    assert result.states == 55504
    assert rows == 1395
    assert result.model_calls < 2 * rows


def test_too_many_states_keeps_what_was_found() -> None:
    config = Config(messages=2, rules={"commit-after-flush": False})
    with pytest.raises(TooManyStates, match="more than 500 states") as caught:
        explore(config, Options(engine="table", max_states=500))
    assert len(caught.value.result.counterexamples[Clause.COMMIT_IS_SAFE]) == 3


def test_too_much_memory_says_how_much_and_how_to_go_on() -> None:
    with pytest.raises(TooMuchMemory, match=r"states at depth \d+ take .* GiB, \d+ bytes each, .*--memory"):
        explore(Config(messages=2, power_losses=1), Options(engine="table", memory=400_000))


def test_what_cannot_fit_is_refused_before_it_begins() -> None:
    with pytest.raises(WontFit, match=r"not begun: .* about 2,\d{3},\d{3},\d{3} states and .* GiB.*--memory") as caught:
        explore(Config(messages=6), Options(engine="table", memory=1 << 30))
    assert caught.value.result.states == 0
    stopped = explore(
        Config(messages=6, rules={"commit-after-flush": False}), Options(engine="auto", stop_at="commit-is-safe")
    )
    assert len(stopped.counterexamples[Clause.COMMIT_IS_SAFE]) == 3


def test_the_estimate_comes_near_what_is_counted() -> None:
    for config in (Config(messages=3), Config(messages=3, level="disk", commit="ack")):
        told = estimate(config)
        assert told is not None
        counted = explore_table(config).states
        assert counted <= told.states <= 1.5 * counted
        assert not told.at_least
    assert estimate(Config(messages=2)) is None


def test_a_sibling_too_large_to_count_gives_at_least() -> None:
    config = Config(messages=3, power_losses=1)
    for most, siblings in ((200, 1), (20_000, 2)):
        told = estimate(config, most=most)
        assert told is not None
        assert told.at_least
        assert str(told).startswith("at least")
        assert len(told.counted) == siblings
        assert told.states > most


def test_auto_goes_on_with_the_table_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explore(Config(messages=2), Options(engine="auto")).engine == "graph"
    monkeypatch.setattr("ackexplore.engines.AUTO_GRAPH_STATES", 1_000)
    result = explore(Config(messages=2), Options(engine="auto"))
    assert (result.engine, result.states) == ("table", 1896)
    with pytest.raises(TooManyStates, match="more than 100 states"):
        explore(Config(messages=2), Options(engine="auto", max_states=100))


def test_without_its_packages_the_table_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ackexplore.engines.table_engine_here", lambda: False)
    with pytest.raises(MissingExtra, match=r"pip install 'ackcheck\[table\]'"):
        explore(Config(), Options(engine="table"))
    assert explore(Config(), Options(engine="auto")).engine == "graph"


def test_a_layout_brings_back_what_it_packed() -> None:
    generator = np.random.default_rng(1)
    layout = Layout(widths=(7, 13, 29, 3, 30, 1))
    numbers = np.stack([generator.integers(0, 1 << width, 500) for width in layout.widths], axis=1)
    packed = layout.pack(numbers)
    assert layout.words == 2
    assert (layout.unpack(packed) == numbers).all()
    assert packed[:, 0].all()
    wider = layout.grown([1 << width for width in layout.widths])
    assert wider == layout
    wider = layout.grown([(1 << width) + 1 for width in layout.widths])
    assert wider.widths == tuple(width + 2 for width in layout.widths)
    assert (wider.unpack(layout.repack(packed, wider)) == numbers).all()


def test_a_field_wider_than_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="a field of 64 bits does not fit a word of 63"):
        Layout(widths=(1, 64))


def test_the_set_of_visited_states_is_a_set() -> None:
    generator = np.random.default_rng(2)
    visited = Visited(shards=2, words=2)
    known: set[tuple[int, ...]] = set()
    for _ in range(20):
        states = generator.integers(1, 40, (1000, 2)).astype(np.uint64)
        expected = {tuple(row) for row in states.tolist()} - known
        owners = shards_of(states, 2)
        added = sum(visited.add(shard, [states[owners == shard]]) for shard in range(2))
        assert added == sum(visited.new_counts) == len(expected)
        assert new_of(visited) == expected
        known |= expected
    assert len(visited) == len(known)


def new_of(visited: Quotients | Visited) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...]] = set()
    words = visited.layout.words if isinstance(visited, Quotients) else visited.words
    for shard, new in enumerate(visited.new_counts):
        states = np.empty((new, words), dtype=np.uint64)
        visited.move_new(shard, states)
        found |= {tuple(row) for row in states.tolist()}
    return found


@pytest.mark.parametrize("widths", [(7, 6), (12, 13), (20, 20), (31, 32)])
def test_what_a_place_tells_is_not_lost(widths: tuple[int, ...]) -> None:
    """Near one another and far apart, in places of each kind, through every growth: no two states are taken for one."""
    generator = np.random.default_rng(3)
    layout, known = Layout(widths=widths), set[tuple[int, ...]]()
    visited = Quotients(shards=4, layout=layout)
    kinds = set()
    for number in range(12):
        near = np.arange(2_000 * number, 2_000 * number + 3_000)
        far = generator.integers(0, 1 << sum(widths), 3_000)
        numbers = np.concatenate([near, far, near]).astype(np.uint64) & np.uint64((1 << sum(widths)) - 1)
        states = (np.uint64(1 << 63) | numbers << np.uint64(63 - sum(widths))).reshape(-1, 1)
        expected = {tuple(row) for row in states.tolist()} - known
        dealt, starts = visited.deal(states)
        for shard in range(4):
            visited.add(shard, [dealt[starts[shard] : starts[shard + 1]]])
        assert new_of(visited) == expected
        known |= expected
        kinds |= {shard.table.itemsize for shard in visited._shards}
        assert visited.table_bytes <= max(4 * 1024 * 8, len(visited) * 8 * 2 / 0.85)
    assert len(visited) == len(known)
    assert kinds == {13: {2}, 25: {2, 4}, 40: {4, 8}, 63: {8}}[sum(widths)]


def test_a_search_in_little_memory_puts_its_levels_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it asks for is written down in a search that may take all; then it gets less, and finds the same."""
    monkeypatch.setattr("ackexplore.table.engine.BUFFER_BYTES", 1 << 14)
    config = Config(messages=2, power_losses=1, rules={"commit-in-order": False})
    asked, ask = [], Search._may_take

    def asks(search: Search, more: int) -> None:
        newest = search.levels.newest
        asked.append((search.nbytes + more, search.levels.nbytes - (0 if newest is None else newest.nbytes)))
        ask(search, more)

    with monkeypatch.context() as patched:
        patched.setattr(Search, "_may_take", asks)
        whole = explore_table(config, Options(threads=1, memory=1 << 30))
    most, packed = max(asked)
    search = Search(config, Options(threads=1, memory=most - packed // 2))
    search.start()
    while search.advance():
        assert search.nbytes <= search.memory
    found = search.result(complete=True)
    assert search.levels.spilled >= packed // 2 > 1_000
    search.close()
    assert (found.states, found.edges, found.depth) == (whole.states, whole.edges, whole.depth)
    assert found.violations == whole.violations != {}
    assert [*map(len, found.counterexamples.values())] == [*map(len, whole.counterexamples.values())]
    with pytest.raises(TooMuchMemory):
        explore_table(config, Options(threads=1, memory=most - 2 * packed))


UNCOMPILED = """
import numpy
from ackexplore import Options
from ackexplore.table.engine import Search
from ackmodel import Config

numpy.seterr(over="ignore")  # hashes are meant to overflow
for config, word_bits in ((Config(messages=2), 63), (Config(messages=2), 11), (BROKEN, 63), (BROKEN, 11)):
    search = Search(config, Options(threads=2), word_bits=word_bits)
    search.start()
    while search.advance():
        pass
    result = search.result(complete=True)
    print(result.states, result.edges, result.depth, *result.violations.values())
    search.close()
""".replace("BROKEN", 'Config(messages=2, rules={"commit-in-order": False})')


def test_the_loops_mean_the_same_without_a_compiler() -> None:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", UNCOMPILED], env=environment, capture_output=True, text=True, check=True
    )
    broken = explore_graph(Config(messages=2, rules={"commit-in-order": False}))
    expected = f"{broken.states} {broken.edges} {broken.depth} {' '.join(map(str, broken.violations.values()))}"
    assert ran.stdout.splitlines() == ["1896 5840 21"] * 2 + [expected] * 2
