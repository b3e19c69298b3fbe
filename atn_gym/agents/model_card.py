"""The card of a saved agent: how it was trained, and what it must observe."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from atn_gym.envs.params import TuningParams
from atn_gym.errors import InvalidArgument

TRAINABLE = ("PPO", "A2C", "SAC", "TD3", "DDPG", "RecurrentPPO")
"""Algorithms that `atn-gym train` trains, all of them for continuous actions."""
ALGORITHMS = (*TRAINABLE, "DQN", "ARS", "CrossQ", "MaskablePPO", "QRDQN", "TQC", "TRPO")
"""Algorithms whose models can be scored; those that SB3 lacks are of sb3-contrib."""

_ENTRY = "atn_gym.json"
_MOST_BYTES = 1_000_000
"""No card is larger: an archive may expand to any size."""
_MOST_EXPANDED = 2**30
"""Bytes, many times more than the largest model for these envs."""
_MODEL = "data"
"""What every model that Stable-Baselines3 saves has among its entries."""


@dataclass(frozen=True)
class Normalisation:
    """How observations are normalised: clip((x - mean) / sqrt(variance + epsilon), -c, c).

    Args:
        mean: Mean of every component.
        variance: Its variance.
        epsilon: Keeps a component that never varied finite.
        clip: The bound c.

    Source:
        `VecNormalize` of Stable-Baselines3.
    """

    mean: list[float]
    variance: list[float]
    epsilon: float
    clip: float

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalises observations of shape (..., n)."""
        scaled = (observation - np.array(self.mean)) / np.sqrt(
            np.array(self.variance) + self.epsilon
        )
        clipped: NDArray[np.float32] = np.clip(scaled, -self.clip, self.clip).astype(np.float32)
        return clipped


@dataclass(frozen=True)
class ModelCard:
    """What a model file carries beside the model.

    Args:
        algorithm: Class that loads it, such as "PPO".
        num_timesteps: Epochs of all networks that it was trained on.
        window: Past epochs in its observations.
        hyperparameters: What it controls.
        normalisation: What its observations go through; None if nothing.
        config: The training config, all defaults filled in.
        versions: Of what made it, by package.
        started_from: The card of the agent that its training went on from; None if from nothing.
    """

    algorithm: str
    num_timesteps: int
    window: int
    hyperparameters: list[str]
    normalisation: Normalisation | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str | None] = field(default_factory=dict)
    started_from: ModelCard | None = None

    @property
    def env_arguments(self) -> dict[str, Any]:
        """The signals that an env must show, if they are other ones than those of the losses."""
        (first, *_) = self.config.get("envs") or [{}]  # all show the same
        signals = first.get("signals", "loss")
        return {} if signals == "loss" else {"signals": signals}

    @property
    def making_runs(self) -> float | None:
        """Runs that the model was trained on, those of the agent that it started from included.

        None if a card does not say on which envs.
        """
        envs = self.config.get("envs")
        earlier = 0.0 if self.started_from is None else self.started_from.making_runs
        if not envs or earlier is None:
            return None
        # Each env of the training has the same share of the epochs.
        own = self.num_timesteps * sum(1 / _budget(**env) for env in envs) / len(envs)
        return earlier + own

    @property
    def all_timesteps(self) -> int:
        """Epochs of all networks of this training and those before it."""
        earlier = 0 if self.started_from is None else self.started_from.all_timesteps
        return self.num_timesteps + earlier

    def check_setting(self, path: str, window: int | None, hyperparameters: Sequence[str]) -> None:
        """Checks that an env has the window and hyperparameters of the training.

        Args:
            path: What errors call the model.
            window: Past epochs in an observation of the env.
            hyperparameters: What the env controls.

        Raises:
            InvalidArgument: If they differ.
        """
        for name, trained, given in (
            ("window", self.window, window),
            ("hyperparameters", list(self.hyperparameters), list(hyperparameters)),
        ):
            if trained != given:
                remedy = f"make the env with {name}={trained}"
                if name == "hyperparameters":
                    remedy += "; in your own loop, make the optimizer with a momentum and a weight "
                    remedy += "decay above 0: only those above 0 are controlled"
                raise InvalidArgument(
                    f"model {path} was trained with {name}={trained}, but this env has {given}: "
                    f"{remedy}"
                )

    def write(self, path: Path) -> None:
        """Adds the card to a model file, which is a zip archive."""
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(_ENTRY, json.dumps(asdict(self), indent=1))


def card_of(values: Mapping[str, Any]) -> ModelCard:
    """Makes a card of what a file holds of it."""
    normalisation, earlier = values["normalisation"], values.get("started_from")
    made = None if normalisation is None else Normalisation(**normalisation)
    started_from = None if earlier is None else card_of(earlier)
    return ModelCard(**{**values, "normalisation": made, "started_from": started_from})


def read_card(path: str | Path) -> ModelCard | None:
    """Reads the card of a model file, and nothing that could run code.

    Args:
        path: The file.

    Returns:
        The card, or None if the file has none: `atn-gym train` did not make it.

    Raises:
        InvalidArgument: If the file is damaged, or not a zip archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            expanded = sum(entry.file_size for entry in archive.infolist())
            if expanded > _MOST_EXPANDED:
                raise ValueError(f"it expands to {expanded} bytes, more than {_MOST_EXPANDED}")
            # In a file cut short, the weights, an archive of their own, pass for the whole.
            if _MODEL not in names:
                raise ValueError(f"it holds no {_MODEL!r}")
            if _ENTRY not in names:
                return None
            with archive.open(_ENTRY) as entry:
                text = entry.read(_MOST_BYTES + 1)
            if len(text) > _MOST_BYTES:
                raise ValueError(f"its entry {_ENTRY} has more than {_MOST_BYTES} bytes")
            values = json.loads(text)
        return card_of(values)
    except Exception as error:  # zipfile and zlib raise many kinds for damaged archives
        raise InvalidArgument(
            f"{path} must be a model file that Stable-Baselines3 or atn-gym train saved, but it is "
            f"damaged or of another kind ({error})"
        ) from error


def _budget(id: str, num_epochs: int | None = None, **_: Any) -> int:
    """Epochs of a run of an env of the training."""
    if num_epochs is not None:
        return num_epochs
    fixed = gymnasium.spec(id.rpartition(":")[2]).kwargs
    return TuningParams.from_kwargs(fixed).get_task().num_epochs
