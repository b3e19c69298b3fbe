"""Bayesian optimisation over whole runs, before the one that is scored."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from atn_gym.agents.controller import Params
from atn_gym.agents.method import Method
from atn_gym.agents.policy import Actions, Observation, RunAccount
from atn_gym.agents.study import SAMPLERS, Study, Trial
from atn_gym.errors import check_count, check_positive_integer, unknown_name

ENVS = ("stationary", "same")
_OF_THE_REGIME = ("trigger", "severity", "kind", "profile", "duration", "period", "split", "twin")


@dataclass(frozen=True)
class OfflineBayesian(Method):
    """Searches fixed hyperparameters by whole runs, then makes the scored run with the best.

    Each trial is a run from fresh weights with fixed hyperparameters out of the whole range of
    the env, under a seed of its own that differs from that of the scored run. Its score is the
    anytime performance as the observed validation loss L_t shows it,

        1/T sum of clip(ln(ln C / L_t) / ln 100, -1, 1),

    with -1 for every epoch after divergence. `together` trials are asked for at once, trained
    side by side in a vector env, and told. All trials are restarts: their number, gradient
    steps, operations and wall-clock are charged to the scored run.

    When it fails: what it finds must be worth num_trials + 1 runs, for that is by how much
    its compute-adjusted performance is divided. Found on the stationary task, its values know
    nothing of the shock; found on the same env, they are a compromise between before and after.

    Args:
        num_trials: Runs of the search, >= 1.
        together: Trials asked for and trained at once, >= 1.
        env: "stationary", the task without the regime, or "same", the env that is scored.
        sampler: "tpe", "gp" (a Gaussian process) or "random".
        startup_trials: Trials drawn at random before the sampler takes over, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Example:
        >>> import gymnasium
        >>> env = gymnasium.make("atn_gym:atn_gym/DigitsCnn-DataShift-v0", num_epochs=2)
        >>> policy = OfflineBayesian(num_trials=2, together=2).policy(env, seeds=[0])
        >>> (found,) = policy.search()
        >>> observation, _ = env.reset(seed=0, options={"hyperparameters": found})

    Source:
        Optuna: T. Akiba et al., Optuna: A Next-generation Hyperparameter Optimization
        Framework, KDD 2019.
    """

    num_trials: int = 20
    together: int = 5
    env: str = "stationary"
    sampler: str = "tpe"
    startup_trials: int = 10

    def __post_init__(self) -> None:
        check_positive_integer("num_trials", self.num_trials)
        check_positive_integer("together", self.together)
        check_count("startup_trials", self.startup_trials)
        if self.env not in ENVS:
            raise unknown_name("env of the search", self.env, ENVS)
        if self.sampler not in SAMPLERS:
            raise unknown_name("sampler", self.sampler, SAMPLERS)

    @property
    def needs_env(self) -> bool:
        """It trains on its env."""
        return True

    def policy(self, env: Any, seeds: Sequence[int]) -> SearchedPolicy:
        """Makes the policy of the runs of an env; `search` is called on it first."""
        return SearchedPolicy(self, env, seeds)


@dataclass
class Search:
    """The search that belongs to one scored run.

    Args:
        study: Every trial with its score.
        account: What it cost.
    """

    study: Study
    account: RunAccount = field(default_factory=RunAccount)


class SearchedPolicy:
    """Finds hyperparameters before the runs, and leaves them alone within.

    Args:
        method: The arguments of the search.
        env: The single or vector env that is scored.
        seeds: Seed of each scored run. Its study and trials draw from a stream of env and seed.

    Attributes:
        searches: The search of each run, once `search` has been called.
    """

    def __init__(self, method: OfflineBayesian, env: Any, seeds: Sequence[int]) -> None:
        self._method = method
        self._seeds = [env.unwrapped.episodes.params.controller_seed(seed) for seed in seeds]
        self._space = env.unwrapped.episodes.hyperparameters
        self._single = getattr(env, "num_envs", None) is None
        self._action_shape = env.action_space.shape
        self._spec = _searched_spec(env.spec, method.env)
        self.searches: list[Search] = []

    def search(self) -> list[Params]:
        """Runs all trials of all seeds.

        Returns:
            The initial hyperparameters of every scored run.
        """
        slots = min(self._method.together, self._method.num_trials)
        vector = gymnasium.make_vec(
            self._spec, num_envs=slots, autoreset_mode=AutoresetMode.DISABLED
        )
        self.searches = [self._search(vector, seed) for seed in self._seeds]
        vector.close()
        return [
            self._space.named(self._space.from_log10(search.study.best)) for search in self.searches
        ]

    def _search(self, vector: Any, seed: int) -> Search:
        method, began = self._method, time.perf_counter()
        study = Study(self._space, seed, method.startup_trials, method.sampler)
        search = Search(study)
        seeds = np.random.default_rng(seed).integers(2**31, size=method.num_trials).tolist()
        for first in range(0, method.num_trials, vector.num_envs):
            batch = seeds[first : first + vector.num_envs]
            trials = [study.ask() for _ in batch]
            scores = self._run_trials(vector, trials, batch, search.account)
            for trial, score in zip(trials, scores, strict=True):
                study.tell(trial, score)
        search.account.restarts = search.account.optimizer_evaluations = method.num_trials
        search.account.search_s = time.perf_counter() - began
        return search

    def _run_trials(
        self, vector: Any, trials: list[Trial], seeds: list[int], account: RunAccount
    ) -> list[float]:
        """Trains a batch of trials to their ends; slots beyond them idle."""
        idle = vector.num_envs - len(trials)
        values = self._space.from_log10(
            np.stack([t.logs for t in trials] + [trials[0].logs] * idle)
        )
        running = np.arange(vector.num_envs) < len(trials)
        vector.reset(
            seed=[*seeds, *[None] * idle],
            options={
                "hyperparameters": dict(zip(self._space.names, values.T, strict=True)),
                "reset_mask": running.copy(),
            },
        )
        episodes = vector.unwrapped.episodes
        sums = np.zeros(vector.num_envs)
        actions = np.zeros(vector.action_space.shape, np.float32)
        while running.any():
            observation, _, ended, _, infos = vector.step(actions)
            runs = np.flatnonzero(running)
            losses = observation["observed_val_loss"][runs, -1].astype(np.float64)
            sums[runs] += episodes.scores(runs.tolist(), losses)
            account.flops += int(infos["flops"][running].sum())
            account.gradient_steps += int(infos["gradient_steps"][running].sum())
            running &= ~ended
        return list((sums / episodes.num_epochs)[: len(trials)].tolist())

    def predict(
        self,
        observation: Observation,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, Any]:
        """Actions of 0: within a run nothing is touched."""
        count = len(observation["progress"])
        shape = self._action_shape if self._single else (count, *self._action_shape[1:])
        return np.zeros(shape, np.float32), state

    def accounts(self, state: Any) -> list[RunAccount]:
        """What the search of each run cost: nothing if none was made."""
        return [search.account for search in self.searches] or [RunAccount() for _ in self._seeds]


def _searched_spec(spec: Any, env: str) -> Any:
    """The spec of the env to search on: that of the scored one, without its regime if asked."""
    searched = copy.deepcopy(spec)
    for name in ("num_envs", "autoreset_mode", "render_mode"):
        searched.kwargs.pop(name, None)
    if env == "stationary":
        for name in _OF_THE_REGIME:
            searched.kwargs.pop(name, None)
        searched.kwargs["regime"] = "Stationary"
    return searched
