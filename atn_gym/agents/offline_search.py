"""Searching by whole runs or parts of them, before the run that is scored."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from atn_gym.agents.controller import Params
from atn_gym.agents.method import Method
from atn_gym.agents.policy import Actions, RunAccount
from atn_gym.arrays import FloatArray
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.errors import unknown_name

ENVS = ("stationary", "same")
_OF_THE_REGIME = ("trigger", "severity", "kind", "profile", "duration", "period", "split", "twin")


@dataclass
class Search:
    """The search that belongs to one scored run.

    Args:
        tried: Values in decades on the tuned scales, (K,), and score of every trial.
        found: The values that the scored run begins with, decades, (K,).
        account: What it cost.
    """

    tried: list[tuple[FloatArray, float]] = field(default_factory=list)
    found: FloatArray = field(default_factory=lambda: np.empty(0))
    account: RunAccount = field(default_factory=lambda: RunAccount(observes=False))


class OfflineSearch(Method):
    """Finds fixed hyperparameters by trials, which are all charged to the scored run.

    Attributes:
        env: "stationary", the task without the regime, or "same", the env that is scored.
    """

    env: str

    def check_env(self) -> None:
        """Checks the name of the env to search on.

        Raises:
            InvalidArgument: If it is unknown.
        """
        if self.env not in ENVS:
            raise unknown_name("env of the search", self.env, ENVS)

    @property
    @abstractmethod
    def slots(self) -> int:
        """Trials trained side by side."""

    @abstractmethod
    def find(self, trials: Trials, seed: int) -> None:
        """Makes all trials of one scored run, and sets what was tried and found.

        Args:
            trials: What trains them.
            seed: Seed of all draws of the search.
        """

    @property
    def needs_env(self) -> bool:
        """It trains on its env."""
        return True

    def policy(self, env: Any, seeds: Sequence[int]) -> SearchedPolicy:
        """Makes the policy of the runs of an env; `search` is called on it first."""
        return SearchedPolicy(self, env, seeds)


class Trials:
    """Runs of a search, trained side by side.

    Args:
        vector: The vector env that holds them.
        search: What is charged.
    """

    def __init__(self, vector: Any, search: Search) -> None:
        self._vector = vector
        self._episodes = vector.unwrapped.episodes
        self.search = search
        self.space: HyperparameterSpace = self._episodes.hyperparameters
        self.num_epochs: int = self._episodes.num_epochs

    def begin(self, logs: Sequence[FloatArray], seeds: Sequence[int]) -> None:
        """Begins a run for each set of values, in the first slots.

        Args:
            logs: Values in decades on the tuned scales, each (K,).
            seeds: Seed of each run.
        """
        idle = self._vector.num_envs - len(logs)
        values = self.space.from_log10(np.stack([*logs, *[logs[0]] * idle]))
        self._vector.reset(
            seed=[*seeds, *[None] * idle],
            options={
                "hyperparameters": dict(zip(self.space.names, values.T, strict=True)),
                "reset_mask": np.arange(self._vector.num_envs) < len(logs),
            },
        )
        self.search.account.restarts += len(logs)

    def train(self, runs: Sequence[int], epochs: int) -> FloatArray:
        """Trains some of the runs on.

        Returns:
            The score of the observed loss in each epoch, (runs, epochs): -1 after divergence.
        """
        scores = np.full((self._vector.num_envs, epochs), -1.0)
        account, (width,) = self.search.account, self._episodes.action_space.shape
        for epoch in range(epochs):
            running = [run for run in runs if self._episodes.running(run)]
            if not running:
                break
            self._episodes.step(running, np.zeros((len(running), width)))
            observed = self._episodes.observation(running)["observed_val_loss"][:, -1]
            # That of the epoch of divergence holds what is lost until the end of the budget.
            scored = self._episodes.scores(running, observed.astype(np.float64))
            scores[running, epoch] = np.maximum(scored, -1)
            for info in map(self._episodes.info, running):
                account.flops += info["flops"]
                account.gradient_steps += info["gradient_steps"]
        return scores[list(runs)]


class SearchedPolicy:
    """Finds hyperparameters before the runs, and does not change them within.

    Args:
        method: What searches.
        env: The single or vector env that is scored.
        seeds: Seed of each scored run. Its study and trials draw from a stream of env and seed.

    Attributes:
        searches: The search of each run, once `search` has been called.
    """

    def __init__(self, method: OfflineSearch, env: Any, seeds: Sequence[int]) -> None:
        self._method = method
        self._seeds = [env.unwrapped.episodes.params.controller_seed(seed) for seed in seeds]
        self._space = env.unwrapped.episodes.hyperparameters
        self._single = getattr(env, "num_envs", None) is None
        self._action_shape = env.action_space.shape
        self._spec = _searched_spec(env.spec, method.env)
        self.searches: list[Search] = []

    def search(self) -> list[Params]:
        """Makes the search of every seed.

        Returns:
            The initial hyperparameters of every scored run.
        """
        vector = gymnasium.make_vec(
            self._spec, num_envs=self._method.slots, autoreset_mode=AutoresetMode.DISABLED
        )
        self.searches = [self._search(vector, seed) for seed in self._seeds]
        vector.close()
        return [self._space.named(self._space.from_log10(each.found)) for each in self.searches]

    def _search(self, vector: Any, seed: int) -> Search:
        search = Search()
        self._method.find(Trials(vector, search), seed)
        search.account.optimizer_evaluations = len(search.tried)
        return search

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
        none = [RunAccount(observes=False) for _ in self._seeds]
        return [search.account for search in self.searches] or none


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
