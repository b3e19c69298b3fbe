"""The reference that tries actions ahead, but does not foresee a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from atn_gym.agents.lookahead_oracle import LookaheadOracle
from atn_gym.envs.episodes.snapshots import under_regime
from atn_gym.envs.regimes import Regime


@dataclass(frozen=True)
class ReactiveOracle(LookaheadOracle):
    """Tries actions ahead as `lookahead_oracle` does, but cannot foresee the shock: a reference.

    The candidates are tried under the regime as it was in the epoch trained last: in the first
    epoch of a shock it takes the action that it would take if none came, and from the epoch
    after it knows of it. The same goes for every change of a regime that changes again. Before
    the first epoch nothing has been seen, and no shock is expected.

    Its adaptation score is 1: it shows what can be won by looking, without knowing the future.
    Like `lookahead_oracle` it is privileged, for it trains on from snapshots and sees the clean
    loss. All epochs that it tries are charged.

    When it fails: it is as greedy as `lookahead_oracle`. Under a gradual shift it is an epoch
    behind in every epoch.

    Args:
        levels: Sizes of the candidate actions, each in [0.001, 1]: shares of the largest
            step.
        horizon: Epochs that are looked ahead, >= 1.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
    """

    def trial_start(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        """The state of the run, which continues as if nothing would change any more."""
        episode = snapshot["episode"]
        regime = episode.regime if episode.epoch else episode.regime.switched_off()
        return under_regime(snapshot, _HeldRegime(regime, max(episode.epoch - 1, 0)))


@dataclass(frozen=True)
class _HeldRegime:
    """A regime that stays as it is in one epoch.

    Args:
        regime: The regime.
        epoch: Epochs trained before the one in question.
    """

    regime: Regime
    epoch: int

    def apply(self, epoch: int, *run: Any) -> None:
        """Sets the state of a run, the same in every epoch."""
        self.regime.apply(self.epoch, *run)

    def strength(self, epoch: int) -> float:
        """Strength, the same in every epoch."""
        return self.regime.strength(self.epoch)
