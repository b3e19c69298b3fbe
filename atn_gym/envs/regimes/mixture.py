"""Mixture: another regime in every episode, to train policies on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from atn_gym.envs.randomness import Stream, generator, integer_seed
from atn_gym.envs.regimes.base import PROFILES, Regime, Stationary
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
_TRAIN_SCALE = (0.6, 0.9)
_TEST_SCALE = (0.9, 1.1)


@dataclass(frozen=True)
class Mixture:
    """Draws a regime anew in every episode.

    Regime, kind among those of the regime, and profile are drawn uniformly. The trigger
    is uniform in [0.2, 0.4) or [0.6, 0.8) of the budget in the training split, in
    [0.4, 0.6) in the test split; the severity is the default of the kind times a factor
    uniform in [0.6, 0.9) or [0.9, 1.1). The test split alone draws `HELD_OUT_KINDS`.

    Args:
        split: "train" or "test".
        severities: Default severity by kind where the regime's own is overridden.
        duration: Length of a gradual ramp in epochs.
        period: Length of a recurring phase in epochs.
        num_epochs: Epoch budget of the run.
        active: False for the twin: what is drawn never sets in.

    Raises:
        InvalidArgument: If the split is unknown.
    """

    split: str = "train"
    severities: Mapping[str, float] = field(default_factory=dict)
    duration: int = 5
    period: int = 5
    num_epochs: int = 30
    active: bool = True

    def __post_init__(self) -> None:
        if self.split not in MIXTURE_SPLITS:
            raise unknown_name("split of Mixture", self.split, MIXTURE_SPLITS)
        for name in ("duration", "period"):
            check_positive_integer(name, getattr(self, name))

    def sample(self, seed: int) -> Regime:
        """Draws the regime of one episode."""
        draws = generator(seed, Stream.REGIME)
        train = self.split == "train"
        regime = REGIMES[draws.integers(len(REGIMES))]
        kinds = [k for k in regime.kinds if not (train and k in HELD_OUT_KINDS)]
        kind = kinds[draws.integers(len(kinds))]
        intervals = _TRAIN_TRIGGERS if train else _TEST_TRIGGERS
        shares = intervals[draws.integers(len(intervals))]
        first, end = (math.ceil(round(share * self.num_epochs, 9)) for share in shares)
        # In a budget of a few epochs an interval may hold none.
        trigger = (
            int(draws.integers(first, end)) if first < end else min(first, self.num_epochs - 1)
        )
        scale = draws.uniform(*(_TRAIN_SCALE if train else _TEST_SCALE))
        severity = self.severities.get(kind, regime.kinds[kind]) * scale
        return regime(
            trigger=trigger,
            severity=float(min(severity, 1.0)),
            seed=integer_seed(seed, Stream.REGIME),
            kind=kind,
            profile=PROFILES[draws.integers(len(PROFILES))],
            duration=self.duration,
            period=self.period,
            num_epochs=self.num_epochs,
            active=self.active,
        )
