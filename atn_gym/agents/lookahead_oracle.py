"""The reference that looks ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.agents.method import Method
from atn_gym.agents.policy import Actions, RunAccount
from atn_gym.arrays import FloatArray
from atn_gym.envs.episodes.observations import Observation
from atn_gym.errors import InvalidArgument, check_number, check_positive_integer


@dataclass(frozen=True)
class LookaheadOracle(Method):
    """Tries candidate actions on snapshots of a run, and takes the best: a reference.

    Before each epoch it trains on from the same snapshot once for every candidate: the epoch
    after the action, and `horizon` - 1 more in which nothing is changed. It takes the candidate
    with the largest sum of default rewards over those epochs, the first of equals. The
    candidates are: nothing, and each hyperparameter by itself, up and down by each of `levels`. All
    epochs that it tries are charged, so that its compute-adjusted performance is low by design.

    It is privileged: it sees the clean loss, and the shock before it comes. It is an upper
    reference, not a contender.

    When it fails: it is greedy. What pays at once, such as a low learning rate that quiets the
    noise of SGD, can cost more later; a longer horizon sees further and costs more, and many
    candidates on a noisy loss pick what was lucky. A method that plans can beat it.

    Args:
        levels: Sizes of the candidate actions, each in [0.001, 1]: shares of the largest
            step.
        horizon: Epochs that are looked ahead, >= 1.

    Source:
        On the bias of short horizons: Y. Wu et al., Understanding Short-Horizon Bias in
        Stochastic Meta-Optimization, ICLR 2018.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
    """

    levels: Sequence[float] = (1.0, 0.2)
    horizon: int = 5

    def __post_init__(self) -> None:
        check_positive_integer("horizon", self.horizon)
        if not isinstance(self.levels, (list, tuple)) or not self.levels:
            raise InvalidArgument(f"levels must be a non-empty list, got {self.levels!r}")
        for level in self.levels:
            check_number("a level", level, 1e-3, 1)

    @property
    def needs_env(self) -> bool:
        """It trains on its env."""
        return True

    def policy(self, env: Any, seeds: Sequence[int]) -> LookaheadPolicy:
        """Makes the policy of the runs of an env."""
        return LookaheadPolicy(env, self.levels, self.horizon, self.trial_start)

    def trial_start(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        """The state from which candidates are tried, of a snapshot of the run.

        Here it is the run itself, with all that the regime will do to it.
        """
        return snapshot


class LookaheadPolicy:
    """Chooses by trying on the env itself, and leaves it as it was.

    Args:
        env: The single or vector env, reset before `predict`.
        levels: See `LookaheadOracle`.
        horizon: See `LookaheadOracle`.
        trial_start: Maps a snapshot of a run to the state from which candidates are tried.
    """

    def __init__(
        self,
        env: Any,
        levels: Sequence[float],
        horizon: int,
        trial_start: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._horizon = horizon
        self._trial_start = trial_start
        self._episodes = env.unwrapped.episodes
        size, width = len(self._episodes.hyperparameters), self._episodes.action_space.shape[0]
        moves = [sign * level for level in levels for sign in (1, -1)]
        self.candidates: NDArray[np.float32] = np.zeros((1 + size * len(moves), width), np.float32)
        """Actions that are tried, (number, action size); the first is to do nothing."""
        for i, move in enumerate(moves):
            for k in range(size):
                self.candidates[1 + i * size + k, k] = move

    def predict(
        self,
        observation: Observation,
        state: list[RunAccount] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, list[RunAccount]]:
        """Finds the best candidate for each running run.

        Args:
            observation: The observation of the env; only its shape matters.
            state: What the last call returned; None begins all accounts.
            episode_start: Which runs begin an episode, (n,).
            deterministic: Has no effect.

        Returns:
            Actions of shape (action size,), or (n, action size), and what was spent.
        """
        single = observation["progress"].ndim == 1
        count = 1 if single else len(observation["progress"])
        starts = np.ones(count, dtype=np.bool_) if state is None else np.zeros(count, np.bool_)
        if episode_start is not None:
            starts |= np.atleast_1d(episode_start)
        accounts = [
            RunAccount() if state is None or starts[i] else replace(state[i]) for i in range(count)
        ]
        runs = [i for i in range(count) if self._episodes.running(i)]
        actions = np.zeros((count, self.candidates.shape[1]), np.float32)
        if runs:
            scores = self._try_all(runs, accounts)
            actions[runs] = self.candidates[scores.argmax(0)]
        return (actions[0] if single else actions), accounts

    def _try_all(self, runs: list[int], accounts: list[RunAccount]) -> FloatArray:
        """Sum of the scores of the epochs that follow every candidate, (candidates, runs)."""
        snapshots = [self._episodes.get_state(run) for run in runs]
        starts = [self._trial_start(snapshot) for snapshot in snapshots]
        scores = np.empty((len(self.candidates), len(runs)))
        for c, candidate in enumerate(self.candidates):
            self._put(runs, starts)
            scores[c] = self._try(candidate, runs, accounts)
        self._put(runs, snapshots)
        return scores

    def _put(self, runs: list[int], states: list[dict[str, Any]]) -> None:
        for run, state in zip(runs, states, strict=True):
            self._episodes.set_state(run, state)

    def _try(
        self, candidate: NDArray[np.float32], runs: list[int], accounts: list[RunAccount]
    ) -> FloatArray:
        sums = dict.fromkeys(runs, 0.0)
        action = candidate.astype(np.float64)
        for _ in range(self._horizon):
            running = [run for run in runs if self._episodes.running(run)]
            if not running:
                break
            self._episodes.step(running, np.tile(action, (len(running), 1)))
            action = np.zeros_like(action)
            infos = [self._episodes.info(run) for run in running]
            losses = np.array([info["privileged"]["val_loss"] for info in infos])
            scores = self._episodes.scores(running, losses)
            for run, info, score in zip(running, infos, scores, strict=True):
                accounts[run].flops += info["flops"]
                accounts[run].gradient_steps += info["gradient_steps"]
                sums[run] += score
        return np.array(list(sums.values()), dtype=np.float64)

    def accounts(self, state: list[RunAccount]) -> list[RunAccount]:
        """What was spent on trying."""
        return state
