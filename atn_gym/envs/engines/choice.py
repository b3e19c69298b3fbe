"""Which engine trains a task."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

import torch

from atn_gym.envs.networks import SmallCnn
from atn_gym.envs.quadratic import Prototypes
from atn_gym.errors import InvalidArgument, unknown_name

if TYPE_CHECKING:
    from atn_gym.envs.tasks import Task

_log = logging.getLogger(__name__)
ENGINES = ("auto", "compiled", "batched", "torch", "moments", "sampled")
_PREFERRED = ("compiled", "moments", "batched", "torch")
_MULTIPLE = 16
"""Of batch sizes for which a batched run has the same bits beside any number of others."""


def choose_engine(engine: str, task: Task, device: str) -> str:
    """Chooses the engine of a task.

    Args:
        engine: "auto" takes the compiled engine where it applies, the engine of moments for the
            noisy quadratic, the batched engine on a CPU for tasks that ask for it if the batch size
            is a multiple of 16, and else the torch engine; the others must apply.
        task: What is trained.
        device: Where.

    Returns:
        The name of an engine other than "auto".

    Raises:
        InvalidArgument: If there is no such engine, or it does not apply.
    """
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    if engine != "auto":
        reason = obstacle(engine, task, device)
        if reason is None:
            return engine
        raise InvalidArgument(
            f"engine={engine!r} {reason}: use engine='auto', which takes the "
            f"{choose_engine('auto', task, device)} engine then"
        )
    names = [name for name in _PREFERRED if name != "batched" or _asks_for_stacks(task, device)]
    obstacles = {name: obstacle(name, task, device) for name in names}
    for name, reason in obstacles.items():
        if reason is None:
            return name
    raise InvalidArgument(f"no engine trains this task: engine='moments' {obstacles['moments']}")


def _asks_for_stacks(task: Task, device: str) -> bool:
    """Whether the batched engine is faster, and the number of runs leaves no trace in a run."""
    on_cpu = torch.device(device).type == "cpu"
    return task.batched and on_cpu and task.batch_size % _MULTIPLE == 0


def check_measurable(task: Task, engine: str) -> None:
    """Checks that an engine can measure the gradient signals of a task.

    Args:
        task: What is trained.
        engine: The engine, or "auto".

    Raises:
        InvalidArgument: If it cannot.
    """
    if task.network is Prototypes:
        raise InvalidArgument(
            "signals must be 'loss' for the noisy quadratic, whose engines take no single steps, "
            "got 'gradient': leave signals out, or choose another task"
        )
    if engine == "batched":
        raise InvalidArgument(
            "engine='batched' measures no gradient signals, got signals='gradient': use "
            "engine='auto'"
        )


def obstacle(engine: str, task: Task, device: str) -> str | None:
    """Says why an engine does not apply, as the end of a sentence; None if it does."""
    name = getattr(task.network, "__name__", task.network)
    if engine in ("torch", "batched") and task.network is Prototypes:
        return f"trains by cross-entropy, which {name} has not"
    if engine == "torch":
        return None
    network = SmallCnn if engine == "compiled" else Prototypes
    optimizers = ("sgd",) if engine in ("moments", "sampled") else ("sgd", "adamw")
    if engine != "batched" and task.network is not network:
        return f"trains the network {network.__name__} only, got {name}"
    if task.optimizer not in optimizers:
        known = " and ".join(map(repr, optimizers))
        plural = "s" if len(optimizers) > 1 else ""
        return f"knows the optimizer{plural} {known} only, got {task.optimizer!r}"
    if engine != "batched" and torch.device(device).type != "cpu":
        return f"trains on the CPU only, got device={device!r}"
    return _import_failure() if engine == "compiled" else None


def can_compile() -> bool:
    """Whether kernels can be compiled, which numba does."""
    return _import_failure() is None


@functools.cache
def _import_failure() -> str | None:
    """Why the kernels cannot be compiled, which the log says once; None if they can."""
    obstacle = None
    try:
        from atn_gym.envs.engines.kernels import building

        if building.is_switched_off():
            obstacle = "needs numba's compiler, which NUMBA_DISABLE_JIT switches off"
        else:
            from atn_gym.envs.engines.kernels import vectors  # noqa: F401
    except (ImportError, OSError) as error:
        obstacle = f"needs numba, which does not import ({error})"
    if obstacle is not None:
        _log.warning("compiled training %s: runs train without it, slowly", obstacle)
    return obstacle
