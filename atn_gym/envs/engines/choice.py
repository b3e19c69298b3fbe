"""Which engine trains a task."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

from atn_gym.envs.networks import SmallCnn
from atn_gym.errors import InvalidArgument, unknown_name

if TYPE_CHECKING:
    from atn_gym.envs.tasks import Task

ENGINES = ("auto", "compiled", "torch")


def choose_engine(engine: str, task: Task, device: str) -> str:
    """Chooses the engine of a task.

    Args:
        engine: "auto" takes the compiled engine where it applies and else the torch engine;
            "compiled" and "torch" are taken at their word.
        task: What is trained.
        device: Where.

    Returns:
        "compiled" or "torch".

    Raises:
        InvalidArgument: If there is no such engine, or it does not apply.
    """
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    if engine == "torch":
        return engine
    obstacle = _obstacle(task, device)
    if obstacle is None:
        return "compiled"
    if engine == "compiled":
        raise InvalidArgument(
            f"engine='compiled' {obstacle}: use engine='auto', which takes the torch engine then"
        )
    return "torch"


def _obstacle(task: Task, device: str) -> str | None:
    """Why the compiled engine does not apply; None if it does."""
    if task.network is not SmallCnn:
        name = getattr(task.network, "__name__", task.network)
        return f"trains the network SmallCnn alone, got {name}"
    if not isinstance(task.optimizer, str):
        return f"knows the optimizers 'sgd' and 'adamw' alone, got {task.optimizer!r}"
    if torch.device(device).type != "cpu":
        return f"trains on the CPU alone, got device={device!r}"
    return _import_failure()


@functools.cache
def _import_failure() -> str | None:
    try:
        from atn_gym.envs.engines.kernels import vectors  # noqa: F401
    except (ImportError, OSError) as error:
        return f"needs numba, which does not import ({error})"
    return None
