"""Observations for function approximators: one flat, normalised vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from atn_gym.envs.chance import LARGEST, log_score
from atn_gym.envs.episodes.observations import Observation
from atn_gym.envs.episodes.state import SIGNALS
from atn_gym.envs.gradient_signals import GRADIENT_SIGNALS
from atn_gym.errors import InvalidArgument

Flat = NDArray[np.float32]


_LOSSES = ("observed_train_loss", "observed_val_loss")
_LEAST_LOSS = 1e-9
_SMALL_FALL, _LARGE_FALL = 0.002, np.log(100)


def _fall(losses: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
    """Falls of the log loss from epoch to epoch, large and small ones in one range."""
    falls = -np.diff(np.log(np.maximum(losses.astype(np.float64), _LEAST_LOSS)), axis=-1)
    size = np.log1p(np.abs(falls) / _SMALL_FALL) / np.log1p(_LARGE_FALL / _SMALL_FALL)
    return np.sign(falls) * size  # type: ignore[no-any-return]


def _place(values: NDArray[np.float32], box: spaces.Box) -> NDArray[np.floating[Any]]:
    """Places of values between the bounds of their space, -1 to 1."""
    low, high = float(box.low[0]), float(box.high[0])
    return 2 * (values.astype(np.float64) - low) / (high - low) - 1


class Flattening:
    """Maps Dict observations to flat ones, in [-1, 1] each.

    The order is `SIGNALS`, each a window, newest last, then hyperparameters, then
    progress. Losses become `log_score` (0 at chance, 1 at a hundredth of it), accuracies
    2 a - 1, hyperparameters their place between the bounds, progress 2 p - 1. With `falls`
    come, at the end, how far the logarithms of training and validation loss fell from each
    epoch of the window to the next: f becomes sign(f) ln(1 + |f| / s) / ln(1 + F / s), with
    s = 0.002 and F = ln 100. So a rate far too low, under which a loss of 2.3 falls by 0.005,
    can be told from one that is ten times as high; as levels, both are 0 to two digits. Gradient
    signals, if the env has them, are last, in the order of `GRADIENT_SIGNALS`, each a window: the
    alignment as it is, sizes as their place between the bounds, -1 to 1.

    Args:
        space: The Dict space of a single env.
        falls: Whether the falls of the losses are appended.

    Raises:
        InvalidArgument: If it is another one.
    """

    def __init__(self, space: spaces.Space[Any], falls: bool = False) -> None:
        names = {*SIGNALS, "hyperparameters", "progress"}
        found = set(space.keys()) if isinstance(space, spaces.Dict) else set()
        self._boxes: dict[str, Any] = {}
        if found == {*names, *GRADIENT_SIGNALS}:
            self._boxes = {name: space[name] for name in GRADIENT_SIGNALS}  # type: ignore[index]
        elif found != names:
            raise InvalidArgument(
                f"the observation space must be a Dict of {', '.join(sorted(names))}, as "
                f"TuningEnv has it, got {space}"
            )
        assert isinstance(space, spaces.Dict)
        bounds = space["hyperparameters"]
        losses = space["observed_val_loss"]
        assert isinstance(bounds, spaces.Box)
        assert isinstance(losses, spaces.Box)
        self._low, self._high = bounds.low, bounds.high
        self._chance_loss = float(losses.high[0]) / LARGEST
        self._falls = falls
        size = sum(int(np.prod(box.shape or ())) for box in space.values())
        if falls:
            size += len(_LOSSES) * (losses.shape[0] - 1)
        self.space = spaces.Box(-1, 1, (size,), np.float32)

    def __call__(self, observation: Observation) -> Flat:
        """Maps entries of shape (..., n) to an array of shape (..., size)."""
        parts = [self._signal(name, observation[name]) for name in SIGNALS]
        values = (observation["hyperparameters"] - self._low) / (self._high - self._low)
        parts += [2 * values - 1, 2 * observation["progress"] - 1]
        if self._falls:
            parts += [_fall(observation[name]) for name in _LOSSES]
        parts += [_place(observation[name], box) for name, box in self._boxes.items()]
        flat = np.concatenate(parts, axis=-1, dtype=np.float64)
        return np.clip(flat, -1, 1).astype(np.float32)

    def _signal(self, name: str, values: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        if name.endswith("accuracy"):
            return 2 * values - 1
        return log_score(values.astype(np.float64), self._chance_loss)


class FlatObservation(
    gymnasium.ObservationWrapper[Flat, NDArray[np.float32], Observation], RecordConstructorArgs
):
    """Gives a `TuningEnv` one flat observation `Box(-1, 1, (4 window + K + 1,), float32)`.

    The order is observed_train_loss, observed_train_accuracy, observed_val_loss,
    observed_val_accuracy, each a window with the newest last, then hyperparameters, then
    progress. Losses become clip(ln(ln C / L) / ln 100, -1, 1), accuracies 2 a - 1,
    hyperparameters their place between the bounds as -1 to 1, progress 2 p - 1. With `falls`,
    2 (window - 1) falls of training and validation loss follow; with `signals="gradient"` in the
    env, 5 windows of gradient signals are last: see `Flattening`.

    Args:
        env: A `TuningEnv`, wrapped or not.
        falls: Whether the falls of the losses are appended.

    Raises:
        InvalidArgument: If the observation space is another one.
    """

    def __init__(
        self, env: gymnasium.Env[Observation, NDArray[np.float32]], falls: bool = False
    ) -> None:
        RecordConstructorArgs.__init__(self, falls=falls)
        gymnasium.ObservationWrapper.__init__(self, env)
        self._flatten = Flattening(env.observation_space, falls)
        self.observation_space = self._flatten.space

    def observation(self, observation: Observation) -> Flat:
        """Flattens one observation."""
        return self._flatten(observation)


if TYPE_CHECKING:
    _VectorWrapper = VectorWrapper[
        Flat, NDArray[np.float32], Observation, NDArray[np.float32], NDArray[Any]
    ]
else:
    # Before Gymnasium 1.3 the class takes no type arguments.
    _VectorWrapper = VectorWrapper


class VectorFlatObservation(_VectorWrapper):
    """`FlatObservation` for a `TuningVectorEnv`, in every autoreset mode.

    Args:
        env: A `TuningVectorEnv`, wrapped or not.
        falls: Whether the falls of the losses are appended: see `Flattening`.

    Raises:
        InvalidArgument: If the observation space is another one.
    """

    def __init__(
        self,
        env: VectorEnv[Observation, NDArray[np.float32], NDArray[Any]],
        falls: bool = False,
    ) -> None:
        super().__init__(env)
        self._flatten = Flattening(env.single_observation_space, falls)
        self.single_observation_space = self._flatten.space
        self.observation_space = batch_space(self._flatten.space, self.num_envs)

    @property
    def autoreset_mode(self) -> AutoresetMode:
        """When an ended run begins again: as in the wrapped env."""
        mode: AutoresetMode = self.env.metadata["autoreset_mode"]
        return mode

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Flat, dict[str, Any]]:
        """Begins runs as the wrapped env does."""
        observation, infos = self.env.reset(seed=seed, options=options)
        return self._flatten(observation), infos

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[Flat, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Advances all runs; in SAME_STEP mode `final_obs` is flattened too."""
        observation, rewards, terminations, truncations, infos = self.env.step(actions)
        if "final_obs" in infos:
            finals = infos["final_obs"]
            for run in np.flatnonzero(infos["_final_obs"]):
                finals[run] = self._flatten(finals[run])
        return self._flatten(observation), rewards, terminations, truncations, infos
