"""Mixture: another regime in every episode, to train policies on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from atn_gym.envs.randomness import Stream, generator, integer_seed
from atn_gym.envs.regimes.base import Regime, Stationary
from atn_gym.envs.regimes.curriculum_shift import CurriculumShift
from atn_gym.envs.regimes.data_shift import DataShift
from atn_gym.envs.regimes.loss_perturbation import LossPerturbation
from atn_gym.envs.regimes.optimizer_sensitivity_shift import OptimizerSensitivityShift
from atn_gym.errors import check_positive_integer, unknown_name

REGIMES: tuple[type[Regime], ...] = (
    Stationary,
    DataShift,
    CurriculumShift,
    OptimizerSensitivityShift,
    LossPerturbation,
)
MIXTURE_SPLITS = ("train", "test")
HELD_OUT_KINDS = frozenset({"gaussian_noise", "momentum"})
"""Kinds that the training split never draws."""

_TRAIN_TRIGGERS = ((0.2, 0.4), (0.6, 0.8))
_TEST_TRIGGERS = ((0.4, 0.6),)
_TRAIN_GAINS = ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0))
_TEST_GAINS = ((0.2, 0.4), (0.6, 0.8))
_GAIN_AROUND = (-0.75, 0.5)
_TRAIN_SCALE = (0.6, 0.9)
_TEST_SCALE = (0.9, 1.1)


def widened(gain: float | Sequence[float]) -> tuple[float, float]:
    """The range from which a mixture draws gains: the task's, or one around its only gain."""
    if isinstance(gain, Sequence):
        return gain[0], gain[1]
    return gain + _GAIN_AROUND[0], gain + _GAIN_AROUND[1]


@dataclass(frozen=True)
class Mixture:
    """Draws another regime in every episode.

    Regime, kind among those of the regime, and profile among those of the kind are drawn
    uniformly. The trigger
    is uniform in [0.2, 0.4) or [0.6, 0.8) of the budget in the training split, in
    [0.4, 0.6) in the test split; the severity is the default of the kind times a factor
    uniform in [0.6, 0.9) or [0.9, 1.1). Only the test split draws `HELD_OUT_KINDS`. With
    `kind`, that kind is drawn in every episode, and the rest as always. Of the range of the
    gain, cut into fifths, the training split draws from the first, third and fifth, the test
    split from the second and fourth.

    Args:
        split: "train" or "test".
        kind: The only kind that is drawn; any if None.
        duration: Length of a gradual ramp in epochs.
        period: Length of a recurring phase in epochs.
        num_epochs: Epoch budget of the run.
        active: False for the twin: what is drawn never sets in.
        inputs: What the inputs of the task are; only kinds that suit them are drawn.

    Raises:
        InvalidArgument: If the split or the kind is unknown, or the split holds the kind out.
    """

    split: str = "train"
    kind: str | None = None
    duration: int = 5
    period: int = 5
    num_epochs: int = 30
    active: bool = True
    inputs: str = "images"

    def __post_init__(self) -> None:
        if self.split not in MIXTURE_SPLITS:
            raise unknown_name("split of Mixture", self.split, MIXTURE_SPLITS)
        for name in ("duration", "period"):
            check_positive_integer(name, getattr(self, name))
        if self.kind is not None and not any(self._kinds(regime) for regime in REGIMES):
            kinds = [k for r in REGIMES for k in r.kinds_for(self.inputs) if self._drawn(k)]
            raise unknown_name(f"kind of Mixture's {self.split} split", self.kind, kinds)

    def _drawn(self, kind: str) -> bool:
        return self.split == "test" or kind not in HELD_OUT_KINDS

    def _kinds(self, regime: type[Regime]) -> list[str]:
        """Kinds of a regime that may be drawn."""
        kinds = regime.kinds_for(self.inputs)
        return [k for k in kinds if self._drawn(k) and self.kind in (None, k)]

    def draw_gain(self, gain: float | Sequence[float], seed: int) -> float:
        """The gain of the run of a seed: the number, or a draw from a part of the pair."""
        if not isinstance(gain, Sequence):
            return gain
        draws = generator(seed, Stream.GAIN)
        intervals = _TRAIN_GAINS if self.split == "train" else _TEST_GAINS
        share = draws.uniform(*intervals[draws.integers(len(intervals))])
        return float(gain[0] + share * (gain[1] - gain[0]))

    def sample(self, seed: int) -> Regime:
        """Draws the regime of one episode."""
        draws = generator(seed, Stream.REGIME)
        train = self.split == "train"
        regimes = [regime for regime in REGIMES if self._kinds(regime)]
        regime = regimes[draws.integers(len(regimes))]
        kinds = self._kinds(regime)
        kind = kinds[draws.integers(len(kinds))]
        intervals = _TRAIN_TRIGGERS if train else _TEST_TRIGGERS
        shares = intervals[draws.integers(len(intervals))]
        first, end = (math.ceil(round(share * self.num_epochs, 9)) for share in shares)
        # In a budget of a few epochs an interval may hold none.
        trigger = (
            int(draws.integers(first, end)) if first < end else min(first, self.num_epochs - 1)
        )
        scale = draws.uniform(*(_TRAIN_SCALE if train else _TEST_SCALE))
        severity = regime.kinds[kind] * scale
        profiles = regime.profiles(kind)
        return regime(
            trigger=trigger,
            severity=float(min(severity, 1.0)),
            seed=integer_seed(seed, Stream.REGIME),
            kind=kind,
            profile=profiles[draws.integers(len(profiles))],
            duration=self.duration,
            period=self.period,
            num_epochs=self.num_epochs,
            active=self.active,
        )
