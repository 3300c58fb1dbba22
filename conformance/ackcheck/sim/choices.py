"""What Hypothesis draws for a campaign, from the seed alone.

Hypothesis draws one number in twenty from the constants that it finds in the source of the modules that are loaded. So
the same seed would give other runs in a worker, under another test runner, and after any edit of the target's file; and
it keeps what it found in a folder `.hypothesis` wherever one happens to be. A campaign draws its numbers without them.

>>> from hypothesis import settings
>>> settings(backend=FROM_THE_SEED_ALONE).backend
'ackcheck'
"""

from __future__ import annotations

from typing import Any

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

FROM_THE_SEED_ALONE = "ackcheck"
"""The backend of Hypothesis that a campaign names in its settings; older versions find it by the name of its class."""


class SeedAlone(HypothesisProvider):
    """Draws what Hypothesis draws, but no constant of a module."""

    def _maybe_draw_constant(self, *_args: Any, **_kwargs: Any) -> None:
        """Draw none, so that no module is looked at."""


AVAILABLE_PROVIDERS[FROM_THE_SEED_ALONE] = f"{SeedAlone.__module__}.{SeedAlone.__name__}"
