"""What a saved agent says of itself: how it was trained, and what it must be shown."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.errors import InvalidArgument

ALGORITHMS = ("PPO", "A2C", "SAC", "TD3", "DDPG", "RecurrentPPO")
"""Algorithms for continuous actions; RecurrentPPO is of sb3-contrib, the others are of SB3."""

_ENTRY = "atn_gym.json"
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
    """

    algorithm: str
    num_timesteps: int
    window: int
    hyperparameters: list[str]
    normalisation: Normalisation | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str | None] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Adds the card to a model file, which is a zip archive."""
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(_ENTRY, json.dumps(asdict(self), indent=1))


def read_card(path: str | Path) -> ModelCard | None:
    """Reads the card of a model file, and nothing that could run code.

    Args:
        path: The file.

    Returns:
        The card, or None if the file has none: `atn-gym train` did not make it.

    Raises:
        InvalidArgument: If the file is damaged, or no zip archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            # In a file cut short, the weights, an archive of their own, pass for the whole.
            if _MODEL not in names:
                raise ValueError(f"it holds no {_MODEL!r}")
            if _ENTRY not in names:
                return None
            values = json.loads(archive.read(_ENTRY))
        normalisation = values.pop("normalisation")
        return ModelCard(
            **values,
            normalisation=None if normalisation is None else Normalisation(**normalisation),
        )
    except (OSError, zipfile.BadZipFile, ValueError, TypeError, KeyError) as error:
        raise InvalidArgument(
            f"{path} must be a model file that Stable-Baselines3 or atn-gym train saved, but it is "
            f"damaged or of another kind ({error})"
        ) from error
