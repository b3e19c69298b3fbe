"""Models trained by Stable-Baselines3, as methods."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.method import Method
from atn_gym.agents.model_card import ALGORITHMS, read_card
from atn_gym.agents.model_policy import ModelPolicy
from atn_gym.errors import DependencyUnavailable, InvalidArgument, unknown_name


@dataclass(frozen=True)
class SB3Policy(Method):
    """Lets a model that Stable-Baselines3 trained and saved decide.

    The model observes the Dict of the env or the flat vector of `FlatObservation`, as its own
    observation space says. It acts deterministically. Discrete actions (DQN) are those of
    Gymnasium's `DiscretizeAction` with the same number of bins for each component.

    A file that `atn-gym train` wrote names its algorithm, the normalisation of its
    observations, and the window and hyperparameters that it needs. Other files do not. A model
    that was trained under `VecNormalize` needs its statistics: give their file as `normalize`.
    If such a file lies beside the model or in a folder beside it, one must choose.

    Model files and statistics are pickles, and loading one can run any code: load only those that
    you trust. `atn-gym export` makes an agent of a model, which is not one.

    When it fails: on regimes, tasks and budgets unlike those that it was trained on. Its
    observation window and its hyperparameters must be those of the env.

    Args:
        path: The file, as `atn-gym train` or the model's `save` wrote it.
        algorithm: Its class in Stable-Baselines3 or sb3-contrib. If None, the one that the file
            names, else "PPO".
        normalize: The file that `VecNormalize` saved, whose statistics normalise the
            observations; false for none.

    Raises:
        InvalidArgument: If there is no such file or algorithm, or the files do not say whether
            observations are normalised.

    Source:
        A. Raffin et al., Stable-Baselines3: Reliable Reinforcement Learning Implementations,
        JMLR 22, 2021.
    """

    path: str
    algorithm: str | None = None
    normalize: str | bool | None = None

    def __post_init__(self) -> None:
        if self.algorithm is not None and self.algorithm not in ALGORITHMS:
            raise unknown_name("algorithm", self.algorithm, ALGORITHMS)
        if not self._file.is_file():
            raise InvalidArgument(
                f"path must be a model file, got {self.path!r}: no such file; agents that come "
                "with the package go by the controller 'agent'"
            )
        self._check_normalize()

    def _check_normalize(self) -> None:
        if self.normalize is True or not isinstance(self.normalize, (str, bool, type(None))):
            raise InvalidArgument(
                "normalize must be the file that VecNormalize saved, or false, got "
                f"{self.normalize!r}"
            )
        if isinstance(self.normalize, str) and not Path(self.normalize).is_file():
            raise InvalidArgument(
                "normalize must be the file that VecNormalize saved, or false, got "
                f"{self.normalize!r}: no such file"
            )
        if read_card(self._file) is not None:
            if self.normalize is not None:
                raise InvalidArgument(
                    f"normalize must not be given, for {self.path} holds its own normalisation"
                )
        elif self.normalize is None:
            folder = self._file.absolute().parent
            near = [
                path
                for pattern in ("*.pkl", "*/*.pkl")
                for path in sorted(folder.glob(pattern))
                if "vecnormalize" in path.name.lower().replace("_", "")
            ]
            if near:
                raise InvalidArgument(
                    f"{self.path} does not say whether its observations are normalised, and "
                    f"{near[0]} lies beside it: give that file as normalize if the model was "
                    "trained with it, else normalize=False"
                )

    @property
    def _file(self) -> Path:
        return Path(self.path)

    def check(self, setting: RunSetting) -> None:
        """Checks the card of the file against the runs, without loading the model.

        Raises:
            InvalidArgument: If the file is damaged, or its model needs another window or other
                hyperparameters.
        """
        card = read_card(self._file)
        if card is not None:
            card.check_setting(self.path, setting.window, setting.hyperparameters.names)

    def env_arguments(self) -> dict[str, Any]:
        """The gradient signals, if the card says that the model observes them."""
        card = read_card(self._file)
        return {} if card is None else card.env_arguments

    def policy(self, env: Any, seeds: Sequence[int]) -> ModelPolicy:
        """Loads the model, and checks that it suits the env.

        Raises:
            InvalidArgument: If the file holds no such model, or one of other spaces.
            DependencyUnavailable: If Stable-Baselines3 is not installed.
        """
        card = read_card(self._file)
        if card is not None:
            episodes = env.unwrapped.episodes
            card.check_setting(self.path, episodes.params.window, episodes.hyperparameters.names)
        named = None if card is None else card.algorithm
        model = _algorithms().load_model(self.algorithm or named or "PPO", str(self._file))
        normalisation = None if card is None else card.normalisation
        if isinstance(self.normalize, str):
            normalisation = _algorithms().read_normalisation(Path(self.normalize))
        return ModelPolicy(model, env, self.path, normalisation)

    @property
    def making_runs(self) -> float | None:
        """Runs that the model was trained on, by the card of its file; None without a card."""
        card = read_card(self._file)
        return None if card is None else card.making_runs

    def digest(self) -> str:
        """A hash of the files: another model under the same path makes other runs."""
        files = [self._file, *([Path(self.normalize)] if isinstance(self.normalize, str) else [])]
        content = b"".join(file.read_bytes() for file in files)
        return hashlib.sha256(content).hexdigest()[:16]


def _algorithms() -> ModuleType:
    try:
        from atn_gym.agents import algorithms
    except ImportError as error:
        raise DependencyUnavailable(
            f"the controller 'rl' needs Stable-Baselines3 ({error}): pip install 'atn_gym[rl]'"
        ) from error
    return algorithms
