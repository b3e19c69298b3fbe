"""Records runs as a data set of Minari, for learning from logged data: the extra `minari`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorWrapper

from atn_gym.config import ControllerConfig, EnvConfig, run_setting
from atn_gym.errors import DependencyUnavailable, InvalidArgument, one_line
from atn_gym.eval.running.failures import PolicyError, as_policy_error, runs_with
from atn_gym.eval.running.rollout import run_seeds

try:
    import minari
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_dataset import parse_dataset_id
except ImportError as error:
    raise DependencyUnavailable(
        f"atn-gym record needs Minari ({error}): pip install 'atn_gym[minari]'"
    ) from error

_TOGETHER = 32
"""Runs in one vector env."""

if TYPE_CHECKING:
    _Wrapper = VectorWrapper[Any, Any, Any, Any, Any]
else:
    # Before Gymnasium 1.3 the class takes no type arguments.
    _Wrapper = VectorWrapper


class _Recorder(_Wrapper):
    """Keeps what a single env would have returned in each slot."""

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        observation, infos = self.env.reset(**kwargs)
        self._running = np.ones(self.num_envs, dtype=np.bool_)
        self._observations = [[_slot(observation, i)] for i in range(self.num_envs)]
        self._infos = [[self._info(i)] for i in range(self.num_envs)]
        self._steps: list[list[tuple[Any, float, bool]]] = [[] for _ in range(self.num_envs)]
        return observation, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        result = self.env.step(actions)
        observation, rewards, terminations = result[:3]
        for i in np.flatnonzero(self._running).tolist():
            self._observations[i].append(_slot(observation, i))
            self._infos[i].append(self._info(i))
            self._steps[i].append((actions[i].copy(), float(rewards[i]), bool(terminations[i])))
        self._running &= ~terminations
        return result

    def _info(self, i: int) -> dict[str, Any]:
        info: dict[str, Any] = self.unwrapped.episodes.info(i)  # type: ignore[attr-defined]
        return info

    def episode(self, i: int, seed: int) -> EpisodeBuffer:
        actions, rewards, terminations = zip(*self._steps[i], strict=True)
        return EpisodeBuffer(
            seed=seed,
            observations=_stacked(self._observations[i]),
            actions=np.stack(actions),
            rewards=list(rewards),
            terminations=list(terminations),
            truncations=[False] * len(rewards),
            infos=_stacked(self._infos[i]),
        )


def _slot(observation: dict[str, Any], i: int) -> dict[str, Any]:
    return {name: values[i].copy() for name, values in observation.items()}


def _stacked(entries: Sequence[Any]) -> Any:
    """A dict of arrays, with the steps as first axis, from a dict for each step."""
    if isinstance(entries[0], dict):
        return {name: _stacked([entry[name] for entry in entries]) for name in entries[0]}
    return np.stack([np.asarray(entry) for entry in entries])


def record(
    controller: ControllerConfig, env: EnvConfig, seeds: Sequence[int], dataset: str
) -> Path:
    """Makes one run for each seed, and writes them as a data set of Minari.

    Each run is an episode with observations, actions, rewards and infos, as a single env returns
    them. What a search before the runs trains is left out.

    Args:
        controller: Any controller, method or policy, by name.
        env: The env.
        seeds: Seeds of the runs.
        dataset: Id of the new data set, such as "atn_gym/heuristic-v0".

    Returns:
        The folder of the data set, under MINARI_DATASETS_PATH if that is set.

    Raises:
        InvalidArgument: If an argument breaks its requirement, or there is such a data set.
        PolicyError: If a run fails; no data set is written then.
    """
    _check_new(dataset)
    method = controller.method()
    env = env.made_for(method)
    method.check(run_setting(env))
    episodes: list[EpisodeBuffer] = []
    for first in range(0, len(seeds), _TOGETHER):
        episodes += _episodes(method, env, seeds[first : first + _TOGETHER])
    single = gymnasium.make(env.id, **env.kwargs)
    try:
        written = minari.create_dataset_from_buffers(
            dataset,
            episodes,
            env=single,
            algorithm_name=controller.shown,
            description=f"{len(seeds)} runs of {controller.shown} on {env.id}",
            requirements=["atn_gym"],
        )
    finally:
        single.close()
    return Path(written.storage.data_path).parent


def _check_new(dataset: str) -> None:
    try:
        parse_dataset_id(dataset)
    except ValueError as error:
        raise InvalidArgument(
            f"a data set must have an id such as atn_gym/heuristic-v0, got {dataset!r}"
        ) from error
    if dataset in minari.list_local_datasets():
        raise InvalidArgument(
            f"there must be no data set {dataset!r} yet: choose a higher version, or delete it by "
            f"`minari delete {dataset}`"
        )


def _episodes(method: Any, env: EnvConfig, seeds: Sequence[int]) -> list[EpisodeBuffer]:
    vector: Any = gymnasium.make_vec(
        env.id, num_envs=len(seeds), autoreset_mode=AutoresetMode.DISABLED, **env.kwargs
    )
    try:
        with as_policy_error(f"method {type(method).__name__}", f"before {runs_with(seeds)}"):
            policy = method.policy(vector, seeds)
        recorder = _Recorder(vector)
        for run in run_seeds(policy, recorder, seeds):
            if run.error is not None:
                raise PolicyError(f"seed {run.seed} failed: {one_line(run.error)}") from run.error
        return [recorder.episode(i, seed) for i, seed in enumerate(seeds)]
    finally:
        vector.close()
