"""Captured episodes: whether they fit an env, back into it, and on under another regime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from gymnasium.utils import seeding

from atn_gym.envs.episodes.episodes import Episodes
from atn_gym.envs.episodes.state import EpisodeState
from atn_gym.envs.params import TuningParams
from atn_gym.errors import InvalidArgument, one_line


def restore(
    episodes: Episodes, runs: Sequence[int], states: Sequence[Mapping[str, Any]]
) -> list[np.random.Generator]:
    """Puts episodes into states that an env returned, all of them or none.

    Args:
        episodes: All episodes of the env.
        runs: Indices of the runs.
        states: The state of each, which holds that of its generator too.

    Returns:
        The generators of the states.

    Raises:
        InvalidArgument: If a state is of another env, or damaged.
    """
    for state in states:
        check_state(episodes.params, state)
    before = {run: episodes.get_state(run) for run in runs if episodes.begun(run)}
    generators = []
    try:
        for run, state in zip(runs, states, strict=True):
            slot, _ = seeding.np_random(0)
            slot.bit_generator.state = state["generator"]
            generators.append(slot)
            if not isinstance(state["episode"], EpisodeState):
                raise TypeError(f"its episode is {type(state['episode']).__name__}")
            episodes.set_state(run, state)
    except Exception as error:
        for run in runs:
            episodes.forget(run)
        for run, state in before.items():
            episodes.set_state(run, state)
        raise InvalidArgument(
            "a state must be one that get_state() returned, but it is damaged "
            f"({type(error).__name__}: {one_line(error)}): the env is as before"
        ) from error
    return generators


def check_state(params: TuningParams, state: Mapping[str, Any]) -> None:
    """Checks that a state is of an env with the parameters given.

    Raises:
        InvalidArgument: If it is not.
    """
    names = ("params", "episode", "trainer", "generator")
    complete = isinstance(state, Mapping) and all(name in state for name in names)
    if not complete or not isinstance(state["params"], TuningParams):
        raise InvalidArgument(
            f"a state must be one that get_state() returned, with {', '.join(names)}, got "
            f"{', '.join(map(str, state)) if isinstance(state, Mapping) else repr(state)}"
        )
    own, other = _comparable(params), _comparable(state["params"])
    differing = [f.name for f in fields(own) if getattr(own, f.name) != getattr(other, f.name)]
    if differing:
        wanted, got = (
            ", ".join(f"{name}={getattr(one, name)!r}" for name in differing)
            for one in (own, other)
        )
        raise InvalidArgument(
            f"a state must come from an env of the same parameters, here {wanted}, got {got}: "
            "make an env of those to continue it"
        )


def under_regime(state: Mapping[str, Any], regime: Any) -> dict[str, Any]:
    """A captured episode that continues under another regime, which its infos do not name.

    Args:
        state: What `get_state` returned.
        regime: Anything with the `apply` and `strength` of a `Regime`.
    """
    return {**state, "trainer": {**state["trainer"], "regime": regime}}


def _comparable(params: TuningParams) -> TuningParams:
    """What two envs must share to exchange states: all but data folder, device and engine."""
    return replace(params.resolved(), data_dir=None, device="cpu", engine="auto")
