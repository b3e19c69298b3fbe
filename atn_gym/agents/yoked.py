"""The control for feedback: a run gets the hyperparameters that were chosen for another."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from atn_gym.agents.controller import Params
from atn_gym.agents.method import Method
from atn_gym.agents.method_around import MethodAround
from atn_gym.agents.policy import Actions, RunAccount, SearchingPolicy, accounts_of
from atn_gym.arrays import BoolArray
from atn_gym.envs.episodes.actions import check_actions
from atn_gym.envs.episodes.observations import Observation

YOKED = "yoked"
"""Its name in a config."""


@dataclass(frozen=True)
class Yoked(MethodAround):
    """Gives each run the hyperparameters that a method chose in another run of the same env.

    The other run has the partner of its seed, and the same initial values: seeds are swapped in
    pairs within each set of initial values, 0 with 1, 2 with 3 and so on where there is one
    set. The method controls the other run first, then its actions are replayed. What is left of
    the method is what it does in any run; what it loses is the value of its feedback, the
    paired difference of the method to its yoked control. It is exactly 0 for a schedule, for
    two runs with the same initial values get the same actions, and positive for a method whose
    reactions help.

    Every run takes two, both of them charged. A twin is controlled as its run is.

    When it fails: it is a control, not a contender. Where all runs of an env are alike, a
    method that reacts does the same in each, and the control shows no difference.

    Args:
        method: The method: a name such as "heuristic"; in Python also a policy, a `Method`, or a
            class of controllers.
        arguments: Its arguments by name, if it goes by a name.

    Raises:
        InvalidArgument: If there is no such method, or an argument breaks its requirement.

    Source:
        On yoked controls: R. M. Church, Systematic Effect of Random Error in the Yoked Control
        Design, Psychological Bulletin 62, 1964.
    """

    @property
    def needs_env(self) -> bool:
        """True: it makes further runs on it."""
        return True

    def policy(self, env: Any, seeds: Sequence[int]) -> YokedPolicy:
        """Makes the policy of the runs of an env."""
        return YokedPolicy(self.inner, env, seeds)


class YokedPolicy:
    """Replays what a method does in the runs of the partners.

    Args:
        method: The method.
        env: The single or vector env.
        seeds: Seed of each run.
    """

    def __init__(self, method: Method, env: Any, seeds: Sequence[int]) -> None:
        self._method = method
        episodes = env.unwrapped.episodes
        self._num_epochs = episodes.num_epochs
        sets = len(episodes.task.initial)
        self._partners = [partner(seed, sets) for seed in seeds]
        self._spec = copy.deepcopy(env.spec)
        for name in ("num_envs", "autoreset_mode", "render_mode", "twin"):
            self._spec.kwargs.pop(name, None)
        self._initial: list[Params] = []
        self._accounts = [RunAccount(observes=False) for _ in seeds]
        self._actions: Actions | None = None

    def search(self) -> list[Params]:
        """Lets the method control the runs of the partners.

        Returns:
            The initial hyperparameters that they had.
        """
        vector: Any = gymnasium.make_vec(
            self._spec, num_envs=len(self._partners), autoreset_mode=AutoresetMode.DISABLED
        )
        try:
            self._actions = self._control(vector)
        finally:
            vector.close()
        return self._initial

    def _control(self, vector: Any) -> Actions:
        """Actions of the method in each epoch, (epochs, runs, action size); 0 after an end."""
        policy = self._method.policy(vector, self._partners)
        options = None
        if isinstance(policy, SearchingPolicy):
            found = policy.search()
            names = found[0]
            options = {"hyperparameters": {n: np.array([f[n] for f in found]) for n in names}}
        observation, _ = vector.reset(seed=self._partners, options=options)
        episodes, count = vector.unwrapped.episodes, len(self._partners)
        space = episodes.hyperparameters
        self._initial = [space.named(episodes.state(run).values[0]) for run in range(count)]
        done = np.zeros((self._num_epochs, *vector.action_space.shape), np.float32)
        running, start, state = np.ones(count, np.bool_), np.ones(count, np.bool_), None
        spent = np.zeros((2, count), np.int64)
        for epoch in range(self._num_epochs):
            if not running.any():
                break
            actions, state = policy.predict(
                observation, state=state, episode_start=start, deterministic=True
            )
            checked = check_actions(actions, vector.action_space.shape, used=running)
            done[epoch, running] = checked[running]
            seen = observation
            observation, _, ended, _, infos = vector.step(done[epoch])
            for row, name in zip(spent, ("gradient_steps", "flops"), strict=True):
                row[running] += np.asarray(infos[name])[running]
            running &= ~ended
            observation = _of_running(running, observation, seen)
            start = np.zeros_like(start)
        own = accounts_of(policy, state, len(self._partners))
        self._accounts = [
            replace(
                account,
                restarts=account.restarts + 1,
                gradient_steps=account.gradient_steps + int(steps),
                flops=account.flops + int(flops),
                observes=False,
            )
            for account, steps, flops in zip(own, *spent, strict=True)
        ]
        return done

    def predict(
        self,
        observation: Observation,
        state: Any = None,
        episode_start: BoolArray | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, Any]:
        """The actions of the epoch that follows."""
        if self._actions is None:
            self.search()
        assert self._actions is not None
        progress = np.atleast_2d(observation["progress"])[:, 0]
        epochs = np.rint(progress * self._num_epochs).astype(int)
        epochs = np.minimum(epochs, self._num_epochs - 1)
        actions = self._actions[epochs, np.arange(len(epochs))]
        return (actions[0] if observation["progress"].ndim == 1 else actions), state

    def accounts(self, state: Any) -> list[RunAccount]:
        """What the runs of the partners cost, and what the method spent on them."""
        return self._accounts


def partner(seed: int, num_sets: int) -> int:
    """The seed with which a seed changes places.

    Args:
        seed: Seed of a run.
        num_sets: Sets of initial values that seeds take in turn.

    Returns:
        The neighbour with the same set; the partner of the partner is the seed itself.
    """
    turn, of_set = divmod(seed, num_sets)
    return (turn ^ 1) * num_sets + of_set


def _of_running(running: BoolArray, then: Observation, otherwise: Observation) -> Observation:
    """What running runs observe now, and others did before."""
    return {
        name: np.where(running.reshape(-1, *[1] * (values.ndim - 1)), values, otherwise[name])
        for name, values in then.items()
    }
