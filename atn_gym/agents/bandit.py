"""A bandit over changes of the learning rate that forgets what is long past."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import InvalidArgument, check_number, check_positive_integer


class Bandit(Controller):
    """Chooses the factor on the learning rate by a sliding-window, discounted UCB index.

    An arm is a factor. The reward of the arm played before epoch t is the fall of the loss,
    r_t = clip(log10(L_{t-1} / L_t), -1, 1). Of the last `window` plays, one that is k plays
    old counts with the weight discount^k; with N_a the weighted number of plays of arm a,
    m_a their weighted mean reward and n the sum of all N_a, the arm of the largest

        m_a + exploration sqrt(ln(n) / N_a)        (ln(n) at least 0)

    is played; an arm without a play in the window goes first, in the order of `factors`.

    When it fails: the loss falls fast early in any run, so that early plays look good
    whatever they were; the window forgets them, and pays with playing every arm again and
    again, harmful ones included.

    Args:
        setting: What is known of the run.
        factors: The arms: factors on the learning rate, each in [0.1, 10], without repetition.
        window: Number of plays that are remembered, >= 1.
        discount: Weight of a play relative to the one after it, in [0.001, 1].
        exploration: Weight of uncertainty, in units of the reward, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        A. Garivier and E. Moulines, On Upper-Confidence Bound Policies for Switching Bandit
        Problems, ALT 2011: its sliding window and its discount together.
    """

    making_runs = 1_476.0

    def __init__(
        self,
        setting: RunSetting,
        factors: Sequence[float] = (1.0, 0.5, 2.0),
        window: int = 5,
        discount: float = 0.714,
        exploration: float = 0.273,
    ) -> None:
        super().__init__(setting)
        setting.require_learning_rate()
        if not isinstance(factors, (list, tuple)) or len(set(factors)) < max(len(factors), 1):
            raise InvalidArgument(
                f"factors must be a non-empty list of different numbers, got {factors!r}"
            )
        for factor in factors:
            check_number("a factor", factor, 0.1, 10)
        check_positive_integer("window", window)
        check_number("discount", discount, 1e-3, 1)
        check_number("exploration", exploration, 0)
        self._moves = np.log10(factors)
        self._discount = discount
        self._exploration = exploration
        self._plays: deque[tuple[int, float]] = deque(maxlen=window)
        self._last: float | None = None
        self._arm = 0

    def observe(self, metric: float, step: int) -> None:
        """Credits the arm played with the fall of the loss; a non-finite loss counts -1."""
        finite = math.isfinite(metric)
        if self._last is not None:
            fall = math.log10(self._last / max(metric, 1e-12)) if finite else -1.0
            self._plays.append((self._arm, min(max(fall, -1.0), 1.0)))
        if finite:
            self._last = max(metric, 1e-12)

    def propose(self, current_params: Params) -> Params:
        """Plays an arm; nothing before the first epoch, when there is no loss to compare."""
        if self._last is None:
            return current_params
        self._arm = int(np.argmax(self._indices()))
        move = {"learning_rate": float(self._moves[self._arm])}
        return self.setting.hyperparameters.moved(current_params, move)

    def _indices(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """UCB index of every arm, infinite without a play."""
        weights = self._discount ** np.arange(len(self._plays))[::-1]
        arms = np.array([arm for arm, _ in self._plays], dtype=int)
        rewards = np.array([reward for _, reward in self._plays])
        counts = np.bincount(arms, weights, len(self._moves))
        sums = np.bincount(arms, weights * rewards, len(self._moves))
        with np.errstate(divide="ignore", invalid="ignore"):
            bonus = np.sqrt(max(math.log(counts.sum()), 0.0) / counts) if len(arms) else counts
            return np.where(counts > 0, sums / counts + self._exploration * bonus, np.inf)
