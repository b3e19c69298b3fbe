"""Models trained by Stable-Baselines3, as methods."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.method import Method
from atn_gym.agents.model_card import ALGORITHMS, ModelCard, Normalisation, read_card
from atn_gym.agents.policy import Actions, Observation
from atn_gym.envs.wrappers import Flattening
from atn_gym.errors import DependencyUnavailable, InvalidArgument, unknown_name

SHIPPED = Path(__file__).parent / "shipped"
"""The folder of the agents that come with the package."""


@dataclass(frozen=True)
class SB3Policy(Method):
    """Lets a model that Stable-Baselines3 trained and saved decide.

    The model observes either what the env gives, a Dict, or the flat vector of
    `FlatObservation`; which of the two, its own observation space says. It acts
    deterministically.

    A file that `atn-gym train` wrote says by itself which algorithm made it, how its
    observations are normalised, and which window and hyperparameters it needs.

    A model file is a pickle: whoever made it can run code on the machine that loads it. Load
    none that you do not trust.

    When it fails: on regimes, tasks and budgets unlike those that it was trained on. Its
    observation window and its hyperparameters must be those of the env.

    Args:
        path: The file, as `atn-gym train` or the model's `save` wrote it; or the name of an
            agent that comes with the package: "ppo_digits".
        algorithm: Its class: "PPO", "A2C", "SAC", "TD3", "DDPG" or "RecurrentPPO". If None,
            the one that the file names, else "PPO".

    Raises:
        InvalidArgument: If there is no such file or algorithm.

    Source:
        A. Raffin et al., Stable-Baselines3: Reliable Reinforcement Learning Implementations,
        JMLR 22, 2021.
    """

    path: str
    algorithm: str | None = None

    def __post_init__(self) -> None:
        if self.algorithm is not None and self.algorithm not in ALGORITHMS:
            raise unknown_name("algorithm", self.algorithm, ALGORITHMS)
        if not self._file.is_file():
            names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.zip")))
            raise InvalidArgument(
                f"path must be a model file or the name of a shipped agent ({names}), got "
                f"{self.path!r}: no such file"
            )

    @property
    def _file(self) -> Path:
        shipped = SHIPPED / f"{self.path}.zip"
        return shipped if shipped.is_file() else Path(self.path)

    def check(self, setting: RunSetting) -> None:
        """Checks what the file says of itself against the runs; the model is not loaded.

        Raises:
            InvalidArgument: If the file is damaged, or its model needs another window or other
                hyperparameters.
        """
        card = read_card(self._file)
        if card is not None:
            _check_setting(card, setting.window, setting.hyperparameters.names, self.path)

    def policy(self, env: Any, seeds: Sequence[int]) -> ModelPolicy:
        """Loads the model, and checks that it suits the env.

        Raises:
            InvalidArgument: If the file holds no such model, or one of other spaces.
            DependencyUnavailable: If Stable-Baselines3 is not installed.
        """
        card = read_card(self._file)
        if card is not None:
            episodes = env.unwrapped.episodes
            names = episodes.hyperparameters.names
            _check_setting(card, episodes.params.window, names, self.path)
        named = None if card is None else card.algorithm
        model = _load(self.algorithm or named or "PPO", str(self._file))
        return ModelPolicy(model, env, self.path, None if card is None else card.normalisation)

    def digest(self) -> str:
        """A hash of the file: another model under the same path makes other runs."""
        return hashlib.sha256(self._file.read_bytes()).hexdigest()[:16]


def _load(algorithm: str, path: str) -> Any:
    try:
        from atn_gym.agents.algorithms import load_model
    except ImportError as error:
        raise DependencyUnavailable(
            f"the controller 'rl' needs Stable-Baselines3 ({error}): pip install 'atn_gym[rl]'"
        ) from error
    return load_model(algorithm, path)


def _check_setting(
    card: ModelCard, window: int | None, hyperparameters: Sequence[str], path: str
) -> None:
    """Checks that an env shows and takes what an agent was trained with."""
    for name, trained, given in (
        ("window", card.window, window),
        ("hyperparameters", list(card.hyperparameters), list(hyperparameters)),
    ):
        if trained != given:
            raise InvalidArgument(
                f"model {path} was trained with {name}={trained}, but this env has {given}: make "
                f"the env with {name}={trained}"
            )


class ModelPolicy:
    """A model as a policy of one env.

    Args:
        model: Anything with `predict`, `observation_space` and `action_space`.
        env: The single or vector env.
        name: What errors call the model.
        normalisation: What its observations go through.

    Raises:
        InvalidArgument: If its spaces are not those of the env.
    """

    def __init__(
        self, model: Any, env: Any, name: str, normalisation: Normalisation | None = None
    ) -> None:
        episodes = env.unwrapped.episodes
        self._model = model
        self._normalisation = normalisation
        self._flatten: Flattening | None = None
        offered: spaces.Space[Any] = episodes.observation_space
        if isinstance(model.observation_space, spaces.Box):
            self._flatten = Flattening(offered)
            offered = self._flatten.space
        for what, trained, given, arguments in (
            ("observe", model.observation_space, offered, "window and hyperparameters"),
            (
                "act",
                model.action_space,
                episodes.action_space,
                "hyperparameters and checkpoint_rollback",
            ),
        ):
            if trained != given:
                raise InvalidArgument(
                    f"model {name} was trained to {what} in {trained}, but this env has {given}: "
                    f"make the env with the {arguments} that it was trained with"
                )

    def predict(
        self,
        observation: Observation,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, Any]:
        """Asks the model."""
        seen: Any = observation if self._flatten is None else self._flatten(observation)
        if self._normalisation is not None:
            seen = self._normalisation(seen)
        actions, state = self._model.predict(seen, state, episode_start, deterministic)
        return actions, state
