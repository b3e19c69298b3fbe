"""Many runs of one env in one process, natively vectorised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.envs.arguments import PlainSpec, TaskArguments, plain
from atn_gym.envs.episodes.actions import check_actions
from atn_gym.envs.episodes.episodes import Episodes
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.episodes.snapshots import restore
from atn_gym.envs.params import TuningParams
from atn_gym.envs.randomness import check_seed
from atn_gym.envs.rendering import Renderer
from atn_gym.errors import EpisodeStateError, InvalidArgument, check_positive_integer, unknown_name

Mask = NDArray[np.bool_]

_VECTOR_RENDER_MODES = ("rgb_array", "ansi")
_RESET_OPTIONS = ("hyperparameters", "reset_mask")


class TuningVectorEnv(PlainSpec, VectorEnv[Observation, NDArray[np.float32], NDArray[Any]]):
    """N runs of one env, each as `TuningEnv` would run it with the same seed and actions.

    A run that has ended costs nothing while others train. In DISABLED mode it idles: its
    actions are ignored, its observation and info stay, its reward is 0 and it stays
    terminated until it is reset; a wrapper that counts ends, such as Gymnasium's
    RecordEpisodeStatistics, counts each idle step in that mode.

    Args:
        num_envs: Number of runs N.
        autoreset_mode: An `AutoresetMode` or its value: "NextStep", "SameStep", "Disabled".
        render_mode: "rgb_array" or "ansi", one frame a run.
        **params: See `TuningParams`.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
        DataUnavailable: If the data set is neither on disk nor downloadable.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **params: Unpack[TaskArguments],
    ) -> None:
        num_envs = plain(num_envs)
        check_positive_integer("num_envs", num_envs)
        if render_mode is not None and render_mode not in _VECTOR_RENDER_MODES:
            raise unknown_name("render_mode", render_mode, _VECTOR_RENDER_MODES)
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.num_envs = num_envs
        self.render_mode = render_mode
        self.metadata = {
            "render_modes": list(_VECTOR_RENDER_MODES),
            "render_fps": 4,
            "autoreset_mode": self.autoreset_mode,
        }
        self.episodes = Episodes(TuningParams.from_kwargs(params), num_envs)
        self.single_observation_space = self.episodes.observation_space
        self.single_action_space = self.episodes.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generators: list[np.random.Generator | None] = [None] * num_envs
        self._renderer = Renderer()

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins all runs, or those of a mask.

        Args:
            seed: An integer s seeds slot i with s + i; a sequence gives each slot its own;
                None, or None in the sequence, draws from the generator of the slot. Seeds
                go from 0 to 2^63 - 1.
            options: May hold "hyperparameters", initial values by name, each a number or an
                array of shape (num_envs,), and "reset_mask", a boolean array (num_envs,).

        Raises:
            InvalidArgument: If an option, a seed or the number of seeds is wrong.
            EpisodeStateError: If a mask leaves out a run that has not begun.
        """
        seeds = self._seeds(seed)
        options = options or {}
        for name in options:
            if name not in _RESET_OPTIONS:
                raise unknown_name("reset option", name, _RESET_OPTIONS)
        mask = self._reset_mask(options.get("reset_mask"))
        initial = options.get("hyperparameters")
        runs = np.flatnonzero(mask).tolist()
        chosen = [self._slot_hyperparameters(initial, run) for run in runs]
        if isinstance(seed, (int, np.integer)):
            super().reset(seed=int(seed))
        self._begin(runs, [seeds[run] for run in runs], chosen)
        infos = self._batched(self.episodes.infos(runs), runs)
        return self.episodes.observation(range(self.num_envs)), infos

    def _seeds(self, seed: Any) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, str) or not isinstance(seed, (Sequence, np.ndarray)):
            first = check_seed(seed, self.num_envs)
            return [first + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise InvalidArgument(
                f"a list of seeds must have one for each of num_envs={self.num_envs}, got "
                f"{len(seed)}"
            )
        return [None if s is None else check_seed(s) for s in seed]

    def _reset_mask(self, mask: Any) -> Mask:
        if mask is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        array = np.asarray(mask)
        if array.dtype != np.bool_ or array.shape != (self.num_envs,) or not array.any():
            raise InvalidArgument(
                f"reset_mask must be a boolean array of shape ({self.num_envs},) with at least "
                f"one True, got {mask!r}"
            )
        if not all(self.episodes.begun(run) for run in np.flatnonzero(~array).tolist()):
            raise EpisodeStateError(
                f"a reset_mask must hold every run that has not begun, got {array.tolist()}: "
                "call reset() without it first"
            )
        return array

    def _slot_hyperparameters(
        self, initial: Mapping[str, Any] | None, run: int
    ) -> dict[str, float] | None:
        if initial is None:
            return None
        if not isinstance(initial, Mapping):
            raise InvalidArgument(
                f"initial hyperparameters must be a dict of values by name, got {initial!r}"
            )
        try:
            columns = {k: np.broadcast_to(v, (self.num_envs,)) for k, v in initial.items()}
        except ValueError as error:
            raise InvalidArgument(
                "initial hyperparameters must be numbers or arrays of shape "
                f"({self.num_envs},), got {dict(initial)!r}"
            ) from error
        values = {name: column[run].item() for name, column in columns.items()}
        self.episodes.hyperparameters.check(values)
        return values

    def _begin(
        self,
        runs: Sequence[int],
        seeds: Sequence[int | None],
        initial: Sequence[dict[str, float] | None],
    ) -> None:
        """Begins runs as `TuningEnv.reset` does, those without a seed from their generators."""
        self.episodes.begin(runs, list(map(self._run_seed, runs, seeds)), initial)

    def _run_seed(self, run: int, seed: int | None) -> int:
        slot = self._generators[run]
        if seed is not None or slot is None:
            slot, _ = seeding.np_random(seed)
            self._generators[run] = slot
        return int(slot.integers(2**31)) if seed is None else seed

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[Observation, FloatArray, Mask, Mask, dict[str, Any]]:
        """Advances all running runs by one epoch, and resets ended ones as the mode asks.

        Args:
            actions: Deltas, floating dtype, shape (num_envs, K); clipped to [-1, 1]. Those of
                ended runs are ignored.

        Raises:
            ResetNeeded: If a run has not begun.
            InvalidArgument: If the action of a running run has NaN, a wrong shape or a wrong dtype.
        """
        assert self.action_space.shape is not None
        if not self.episodes.all_begun():
            raise ResetNeeded("step() needs begun episodes: call reset() first")
        running = self.episodes.all_running()
        checked = check_actions(actions, self.action_space.shape, running)
        rewards = np.zeros(self.num_envs)
        terminations = ~running
        if running.any():
            runs = np.flatnonzero(running)
            rewards[runs], terminations[runs] = self.episodes.step(runs.tolist(), checked[runs])
        infos: dict[str, Any] = {}
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            self._restart(~running)
            terminations = terminations & running
        elif self.autoreset_mode is AutoresetMode.SAME_STEP and terminations.any():
            infos = self._final(terminations)
            self._restart(terminations)
        every = range(self.num_envs)
        infos.update(self._batched(self.episodes.infos(every), every))
        observation = self.episodes.observation(every)
        return observation, rewards, terminations, np.zeros_like(terminations), infos

    def _batched(self, columns: dict[str, Any], runs: Sequence[int]) -> dict[str, Any]:
        """Columns of some runs as `_add_info` would make them of one run after another."""
        rows = np.array(runs)
        infos: dict[str, Any] = {}
        for name, values in columns.items():
            known, places = values, rows
            if isinstance(values, list):
                known = np.array([value for value in values if value is not None])
                places = rows[[value is not None for value in values]]
            if isinstance(values, dict):
                infos[name] = self._batched(values, runs)
            else:
                infos[name] = np.zeros(self.num_envs, known.dtype)
                infos[name][places] = known
            infos[f"_{name}"] = np.zeros(self.num_envs, dtype=np.bool_)
            infos[f"_{name}"][places] = True
        return infos

    def _restart(self, mask: Mask) -> None:
        runs = np.flatnonzero(mask).tolist()
        if runs:
            self._begin(runs, [None] * len(runs), [None] * len(runs))

    def _final(self, mask: Mask) -> dict[str, Any]:
        runs = np.flatnonzero(mask).tolist()
        columns = self.episodes.observation(runs)
        observations = np.full(self.num_envs, None)
        for run, *values in zip(runs, *columns.values(), strict=True):
            observations[run] = dict(zip(columns, values, strict=True))
        infos = self._batched({"final_info": self.episodes.infos(runs)}, runs)
        return {"final_obs": observations, "_final_obs": mask.copy(), **infos}

    def render(self) -> tuple[Any, ...] | None:
        """One RGB array or text a run, as `render_mode` asks."""
        if self.render_mode is None:
            return None
        draw = self._renderer.ansi if self.render_mode == "ansi" else self._renderer.rgb_array
        return tuple(draw(self.episodes.trace(run)) for run in range(self.num_envs))

    def test_metrics(self) -> list[dict[str, float]]:
        """Loss and accuracy of each run on the test split, for the harness, at the end."""
        return [self.episodes.test_metrics(run) for run in range(self.num_envs)]

    def get_state(self) -> list[dict[str, Any]]:
        """Captures every run bit-exactly; an entry also suits a `TuningEnv` of the same kind."""
        states = []
        for run, slot in enumerate(self._generators):
            state = self.episodes.get_state(run)
            assert slot is not None
            states.append({**state, "generator": slot.bit_generator.state})
        return states

    def set_state(self, states: Iterable[dict[str, Any]]) -> None:
        """Puts slot i into the i-th of the states, which may come from any slot.

        Raises:
            InvalidArgument: If there is not one state a slot, or one is of another env or
                damaged; the env is as before then.
        """
        states = list(states)
        if len(states) != self.num_envs:
            raise InvalidArgument(
                f"there must be one state for each of num_envs={self.num_envs}, got {len(states)}"
            )
        self._generators = list(restore(self.episodes, range(self.num_envs), states))


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    try:
        return AutoresetMode(mode)
    except ValueError as error:
        choices = [m.value for m in AutoresetMode]
        raise unknown_name("autoreset_mode", mode, choices) from error
