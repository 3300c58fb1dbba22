"""Tours: together they take every transition, each by steps that the model has."""

import pytest

from ackexplore import explore
from ackexplore.graph.tours import covered, tours
from ackmodel import Config, moves


@pytest.mark.parametrize("longest", [1, 20, 500])
@pytest.mark.parametrize("config", [Config(), Config(power_losses=1), Config(deliveries=2, level="disk")])
def test_tours_take_every_transition(config: Config, longest: int) -> None:
    result = explore(config)
    found = tours(result, longest=longest)
    assert result.space is not None
    assert covered(found) == set(result.graph.edges)
    for tour in found:
        at = 0
        for step in tour:
            assert step.source == at
            at = step.target
        assert len(tour) <= max(longest, result.depth + 1)
    state = config.initial()
    for step in found[0]:
        after = {move.after for move in moves(config, state) if (move.action, move.actor) == (step.action, step.actor)}
        state = result.space.state(step.target)
        assert state in after


def test_the_same_configuration_gives_the_same_tours() -> None:
    one, other = (tours(explore(Config(power_losses=1)), longest=50) for _ in range(2))
    assert one == other
    with pytest.raises(ValueError, match="at least one step, not 0"):
        tours(explore(Config()), longest=0)
