"""Makes a file of an agent out of a model of Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gymnasium import spaces
from torch import nn

from atn_gym.agents.agent_file import AgentFile, Layer, Network
from atn_gym.agents.algorithms import load_model
from atn_gym.agents.model_card import read_card
from atn_gym.errors import InvalidArgument

_ACTIVATIONS = {nn.ReLU: "relu", nn.Tanh: "tanh"}
_ON_POLICY = ("PPO", "A2C")


def export(model: Path, out: Path) -> AgentFile:
    """Exports a model that `atn-gym train` wrote.

    Args:
        model: The model, an archive of Stable-Baselines3. Loading one can run any code: export
            none that you do not trust.
        out: The file to write, which ends in ".safetensors".

    Returns:
        What the file holds.

    Raises:
        InvalidArgument: If the model has no card, is not a feed-forward network on flat
            observations, or has activations other than ReLU and tanh.
    """
    card = read_card(model)
    if card is None:
        raise InvalidArgument(
            f"{model} has no card of its training: export models that `atn-gym train` wrote"
        )
    loaded = load_model(card.algorithm, str(model))
    exported = AgentFile(card, Network(list(_pairs(*actor_modules(loaded, card.algorithm)))))
    exported.write(out)
    return exported


def actor_modules(model: Any, algorithm: str) -> tuple[list[nn.Module], str]:
    """The modules from a flat observation to an action, and the activation behind the last.

    Raises:
        InvalidArgument: If the model is not a feed-forward network on flat observations.
    """
    if not isinstance(model.observation_space, spaces.Box):
        raise InvalidArgument(
            f"an exported agent must observe a flat vector, but this model observes "
            f"{model.observation_space}"
        )
    if algorithm in _ON_POLICY:
        return [*model.policy.mlp_extractor.policy_net, model.policy.action_net], "clip"
    if algorithm == "SAC":
        return [*model.policy.actor.latent_pi, model.policy.actor.mu], "tanh"
    if algorithm in ("TD3", "DDPG"):
        return list(model.policy.actor.mu), "none"
    raise InvalidArgument(
        f"models of {algorithm} cannot be exported, only feed-forward ones of PPO, A2C, SAC, "
        "TD3 and DDPG: use the controller 'rl' with the archive"
    )


def _pairs(modules: list[nn.Module], last: str) -> Iterable[Layer]:
    """Each linear module with the activation behind it, `last` behind the last."""
    for i, module in enumerate(modules):
        if not isinstance(module, nn.Linear):
            continue
        activation = last
        if i + 1 < len(modules):
            kind = type(modules[i + 1])
            if kind not in _ACTIVATIONS:
                raise InvalidArgument(
                    f"an exported agent must have ReLU or tanh activations, got {kind.__name__}"
                )
            activation = _ACTIVATIONS[kind]
        weight, bias = (t.detach().numpy() for t in (module.weight, module.bias))
        yield Layer(weight, bias, activation)
