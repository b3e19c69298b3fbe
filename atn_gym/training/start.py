"""Where a training starts from: the weights of an agent that was trained before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from atn_gym.agents.agent import Agent
from atn_gym.agents.agent_file import AgentFile
from atn_gym.agents.algorithms import load_model
from atn_gym.agents.model_card import ModelCard, read_card
from atn_gym.errors import InvalidArgument
from atn_gym.training.export import actor_modules

_ARCHIVE = ".zip"


def starting_card(start_from: str) -> ModelCard:
    """The card of what a training starts from.

    Args:
        start_from: See `TrainingConfig`.

    Raises:
        InvalidArgument: If there is no such agent, it is damaged, or has no card.
    """
    path = Path(start_from)
    if path.suffix != _ARCHIVE:
        return Agent(start_from).read().card
    if not path.is_file():
        raise InvalidArgument(
            f"start_from must be a model.zip or an agent, got {start_from!r}: no such file; train "
            "it first"
        )
    card = read_card(path)
    if card is None:
        raise InvalidArgument(
            f"start_from must be a model that `atn-gym train` wrote, but {start_from} has no card "
            "of its training"
        )
    return card


def start_from(model: Any, algorithm: str, source: str) -> None:
    """Gives a fresh model the weights of an agent.

    Args:
        model: The algorithm, whose policy changes.
        algorithm: Name of its class.
        source: A `model.zip`, of which actor and critic are taken, or an agent, which has an
            actor only.

    Raises:
        InvalidArgument: If the agent has a network of another shape, or other activations.
    """
    if Path(source).suffix == _ARCHIVE:
        # Loading an archive runs the code that is in it.
        stored = load_model(starting_card(source).algorithm, source)
        if stored.observation_space != model.observation_space:
            raise _other_network(source)
        try:
            model.policy.load_state_dict(stored.policy.state_dict())
        except RuntimeError as error:
            raise _other_network(source) from error
    else:
        _copy_actor(Agent(source).read(), *actor_modules(model, algorithm), source)


def _copy_actor(agent: AgentFile, modules: list[nn.Module], last: str, source: str) -> None:
    linear = [module for module in modules if isinstance(module, nn.Linear)]
    layers = agent.network.layers
    shapes = [tuple(module.weight.shape) for module in linear]
    names = [type(m).__name__.lower() for m in modules if not isinstance(m, nn.Linear)]
    activations = [layer.activation for layer in layers]
    if shapes != [layer.weight.shape for layer in layers] or activations != [*names, last]:
        raise _other_network(source)
    with torch.no_grad():
        for module, layer in zip(linear, layers, strict=True):
            module.weight.copy_(torch.from_numpy(layer.weight))
            module.bias.copy_(torch.from_numpy(layer.bias))


def _other_network(source: str) -> InvalidArgument:
    return InvalidArgument(
        f"start_from={source} has another network than this training: give it the same algorithm, "
        "policy, policy_kwargs, window and falls"
    )
