"""A walk that asks the model only where it goes: it is the page's walk, and its ways are as short as the explorer's."""

import pytest

from ackexplore import Options, explore
from ackexplore.reports.walk import walkable
from ackexplore.reports.walking import NoSuchStep, TooFar, Walk
from ackmodel import RULES, Config

CONFIGS = [
    Config(sync_failures=1, rules={"rewrite-after-failure": False}),
    Config(messages=2, power_losses=1),
    Config(process_crashes=1, deliveries=2),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_every_step_has_the_number_and_the_lanes_that_it_has_on_the_page(config: Config) -> None:
    page = walkable(explore(config, Options(engine="graph")))
    level, seen = [(0, Walk.of(config))], {0}
    while level and len(seen) < 2_000:
        number, walk = level.pop(0)
        lanes = walk.lanes(walk.here)
        assert lanes == page["states"][number]
        offers, moves = walk.offers, page["edges"][number]
        assert [(offer.action, offer.message) for offer in offers] == [(move[0], move[1]) for move in moves]
        for offer, (_, _, after, broken) in zip(offers, moves, strict=True):
            assert {clause.value for clause in offer.broken} == {*broken, *page["states"][after]["broken"]}
            if after not in seen:
                seen.add(after)
                level.append((after, walk.take(offer)))


@pytest.mark.parametrize("name", sorted(RULES))
def test_it_is_led_to_a_break_by_a_shortest_way(name: str) -> None:
    config = Config().dropping(RULES[name])
    found = explore(config, Options(engine="graph", stop_at="any", max_states=200_000)).counterexample
    led = Walk.of(config).led()
    if found is None:  # what falls without it never comes to pass, which no single state shows
        assert led is None
        return
    assert led is not None
    assert len(led.taken) == len(found)
    assert led.broken
    assert led.trace.actions[-1].partition("(")[0] == led.taken[-1].action
    half = Walk.of(config).along(".".join(led.way.split(".")[: len(led.taken) // 2]))
    assert (further := half.led()) is not None
    assert (len(further.taken), further.way.startswith(half.way)) == (len(led.taken), True)  # it goes on from there


def test_where_nothing_can_break_it_says_so_and_where_it_did_not_look_at_all_too() -> None:
    assert Walk.of(Config(power_losses=1)).led() is None
    with pytest.raises(TooFar, match="and there are more"):
        Walk.of(Config(messages=3, power_losses=1)).led(most=1_000)


def test_no_model_is_too_large_to_walk_in() -> None:
    large = Config(messages=5, deliveries=3, power_losses=2, process_crashes=2, sync_failures=2)
    walk = Walk.of(large).along("0.1.0")
    assert walk.offers
    assert walk.model.calls < 100  # of the steps that it has come by, and no others


def test_what_is_no_step_here_is_refused_with_those_that_are() -> None:
    walk = Walk.of(Config(messages=2))
    with pytest.raises(NoSuchStep, match=r"no step '7' here: they have the numbers 0 to 1"):
        walk.along("7")
    for text in ("", "²", "-1", "0.x"):
        with pytest.raises(NoSuchStep):
            walk.along(text)
    with pytest.raises(NoSuchStep, match="2 steps are called pop here: give the number, one of 0, 1"):
        walk.called("pop", None)
    assert walk.called("pop", 1).number == 1
    with pytest.raises(NoSuchStep, match="no step 'sync_ok' here"):
        walk.called("sync_ok", None)


def test_back_and_begin() -> None:
    walk = Walk.of(Config(messages=2)).along("1.0")
    assert walk.way == "1.0"
    assert walk.back().way == "1"
    assert walk.begun().way == walk.begun().back().way == ""
    assert walk.begun().broken == ()
