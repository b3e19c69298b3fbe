"""Files of agents: weights as safetensors, and a card. Reading one runs no code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from atn_gym.agents.model_card import ModelCard, card_of
from atn_gym.arrays import FloatArray
from atn_gym.errors import InvalidArgument
from atn_gym.files import write_atomically

SUFFIX = ".safetensors"
ACTIVATIONS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "clip": lambda x: np.clip(x, -1, 1),
}
"""What may follow a layer, by name."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear map and what follows it.

    Args:
        weight: Shape (outputs, inputs).
        bias: Shape (outputs,).
        activation: A name in `ACTIVATIONS`.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    activation: str


class Network:
    """A feed-forward network in numpy that maps flat observations to actions.

    It computes in float64, so that its actions hardly depend on the library that multiplies.

    Args:
        layers: At least one; the last one gives the action.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)
        self._weights = [layer.weight.T.astype(np.float64) for layer in layers]
        inputs, outputs = layers[0].weight.shape[1], layers[-1].weight.shape[0]
        self.observation_space = spaces.Box(-1, 1, (inputs,), np.float32)
        self.action_space = spaces.Box(-1, 1, (outputs,), np.float32)

    def predict(
        self,
        observation: NDArray[np.float32],
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.float32], Any]:
        """Actions of observations of shape (..., inputs); it has no state and draws nothing."""
        values = np.asarray(observation, np.float64)
        for layer, weight in zip(self.layers, self._weights, strict=True):
            values = values @ weight + layer.bias
            values = ACTIVATIONS[layer.activation](values)
        return values.astype(np.float32), state


@dataclass(frozen=True, eq=False)
class AgentFile:
    """What a file of an agent holds.

    Args:
        card: How it was trained, and what it must observe.
        network: What it does.
    """

    card: ModelCard
    network: Network

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        layers = self.network.layers
        tensors = {}
        for i, layer in enumerate(layers):
            tensors[f"{i}.weight"] = np.ascontiguousarray(layer.weight, np.float32)
            tensors[f"{i}.bias"] = np.ascontiguousarray(layer.bias, np.float32)
        metadata = {
            "card": json.dumps(asdict(self.card)),
            "activations": json.dumps([layer.activation for layer in layers]),
        }
        write_atomically(path, save(tensors, metadata))


def read_agent(path: Path) -> AgentFile:
    """Reads a file that `AgentFile.write` wrote.

    Raises:
        InvalidArgument: If it is damaged, or of another kind.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        layers = [
            Layer(tensors[f"{i}.weight"], tensors[f"{i}.bias"], activation)
            for i, activation in enumerate(json.loads(metadata["activations"]))
        ]
        _check(layers)
        return AgentFile(card_of(json.loads(metadata["card"])), Network(layers))
    except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
        raise InvalidArgument(
            f"{path} must be a file that `atn-gym export` wrote, but it is damaged or of another "
            f"kind ({error})"
        ) from error


def _check(layers: Sequence[Layer]) -> None:
    if not layers:
        raise ValueError("it has no layer")
    size = layers[0].weight.shape[1]
    for layer in layers:
        if layer.activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {layer.activation!r}")
        if layer.weight.shape != (len(layer.bias), size) or not np.isfinite(layer.weight).all():
            raise ValueError("its layers do not fit together")
        size = len(layer.bias)
