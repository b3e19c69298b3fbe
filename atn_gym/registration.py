"""Registration of (task, regime) pairs as Gymnasium envs."""

from __future__ import annotations

import gymnasium

from atn_gym.envs.registry import regime_names, task_names
from atn_gym.errors import unknown_name

NAMESPACE = "atn_gym"


def env_id(task: str, regime: str) -> str:
    """Gymnasium id of a (task, regime) pair, such as "atn_gym/DigitsCnn-DataShift-v0"."""
    return f"{NAMESPACE}/{task}-{regime}-v0"


def register_env(task: str, regime: str) -> str:
    """Registers a (task, regime) pair with Gymnasium.

    Args:
        task: Name of a registered task.
        regime: Name of a registered regime.

    Returns:
        The id to `gymnasium.make`.

    Raises:
        InvalidArgument: If either name is not registered.
    """
    for what, name, known in (
        ("task", task, task_names()),
        ("regime", regime, regime_names()),
    ):
        if name not in known:
            raise unknown_name(what, name, known)
    name = env_id(task, regime)
    gymnasium.register(
        id=name,
        entry_point="atn_gym.envs.tuning_env:TuningEnv",
        vector_entry_point="atn_gym.envs.vector_env:TuningVectorEnv",
        kwargs={"task": task, "regime": regime},
    )
    return name


def env_ids() -> list[str]:
    """The registered ids of the benchmark, in order of task and regime."""
    prefix = f"{NAMESPACE}/"
    return [name for name in gymnasium.registry if name.startswith(prefix)]


def register_all() -> None:
    """Registers every built-in task with every built-in regime, once."""
    for task in task_names():
        for regime in regime_names():
            if env_id(task, regime) not in gymnasium.registry:
                register_env(task, regime)
