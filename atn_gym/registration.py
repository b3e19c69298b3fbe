"""Names of tasks and regimes, and the registration of their pairs as Gymnasium envs.

Built-in entries are import strings, so that importing the package loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import gymnasium

from atn_gym.errors import InvalidArgument, unknown_name

if TYPE_CHECKING:
    from atn_gym.envs.regimes import Mixture, Regime
    from atn_gym.envs.tasks import Task

NAMESPACE = "atn_gym"

_TASKS: dict[str, Task | str] = {
    "MnistCnn": "atn_gym.envs.tasks:MNIST_CNN",
    "MnistCnnPoorInit": "atn_gym.envs.tasks:MNIST_CNN_POOR_INIT",
    "MnistCnnUnknownScale": "atn_gym.envs.tasks:MNIST_CNN_UNKNOWN_SCALE",
    "FashionCnn": "atn_gym.envs.tasks:FASHION_CNN",
    "FashionCnnPoorInit": "atn_gym.envs.tasks:FASHION_CNN_POOR_INIT",
    "FashionCnnUnknownScale": "atn_gym.envs.tasks:FASHION_CNN_UNKNOWN_SCALE",
    "DigitsCnn": "atn_gym.envs.tasks:DIGITS_CNN",
    "DigitsCnnPoorInit": "atn_gym.envs.tasks:DIGITS_CNN_POOR_INIT",
    "DigitsCnnUnknownScale": "atn_gym.envs.tasks:DIGITS_CNN_UNKNOWN_SCALE",
    "NoisyQuadratic": "atn_gym.envs.tasks:NOISY_QUADRATIC",
    "NoisyQuadraticPoorInit": "atn_gym.envs.tasks:NOISY_QUADRATIC_POOR_INIT",
    "NoisyQuadraticUnknownScale": "atn_gym.envs.tasks:NOISY_QUADRATIC_UNKNOWN_SCALE",
}
_REGIMES: dict[str, type[Regime] | type[Mixture] | str] = {
    "Stationary": "atn_gym.envs.regimes:Stationary",
    "DataShift": "atn_gym.envs.regimes:DataShift",
    "CurriculumShift": "atn_gym.envs.regimes:CurriculumShift",
    "OptimizerSensitivityShift": "atn_gym.envs.regimes:OptimizerSensitivityShift",
    "LossPerturbation": "atn_gym.envs.regimes:LossPerturbation",
    "Mixture": "atn_gym.envs.regimes:Mixture",
}


def task_names() -> list[str]:
    """Names of the registered tasks."""
    return list(_TASKS)


def regime_names() -> list[str]:
    """Names of the registered regimes."""
    return list(_REGIMES)


def get_task(name: str) -> Task:
    """Looks a task up by name.

    Raises:
        InvalidArgument: If there is none of that name.
    """
    if name not in _TASKS:
        raise unknown_name("task", name, _TASKS)
    entry = _TASKS[name]
    task: Task = _load(entry) if isinstance(entry, str) else entry
    return task


def get_regime(name: str) -> type[Regime] | type[Mixture]:
    """Looks a regime class up by name.

    Raises:
        InvalidArgument: If there is none of that name.
    """
    if name not in _REGIMES:
        raise unknown_name("regime", name, _REGIMES)
    entry = _REGIMES[name]
    regime: type[Regime] | type[Mixture] = _load(entry) if isinstance(entry, str) else entry
    return regime


def register_task(name: str, task: Task, *, replace: bool = False) -> None:
    """Adds a task under a name.

    Args:
        name: A new name, such as "MyTask".
        task: The task. It stays in this process: worker processes must import the module
            that registers it.
        replace: Whether to replace an entry of the same name.

    Raises:
        InvalidArgument: If the name is taken, or it is no `Task`.
    """
    if not isinstance(task, _load("atn_gym.envs.tasks:Task")):
        raise InvalidArgument(f"a task must be an instance of Task, got {task!r}")
    if name in _TASKS and not replace:
        raise InvalidArgument(
            f"a task must have a new name, but {name!r} is taken: pass replace=True to replace it"
        )
    _TASKS[name] = task


def register_regime(name: str, regime: type[Regime], *, replace: bool = False) -> None:
    """Adds a regime class under a name; see `register_task`.

    Raises:
        InvalidArgument: If the name is taken, or it is no `Regime` with kinds and `apply`.
    """
    base = _load("atn_gym.envs.regimes:Regime")
    derived = isinstance(regime, type) and issubclass(regime, base)
    if not derived or regime.apply is base.apply or not getattr(regime, "kinds", None):
        raise InvalidArgument(
            "a regime must be a subclass of Regime with a dict `kinds` of default severities and "
            f"a method `apply`, got {regime!r}"
        )
    if name in _REGIMES and not replace:
        raise InvalidArgument(
            f"a regime must have a new name, but {name!r} is taken: pass replace=True to replace it"
        )
    _REGIMES[name] = regime


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
    if task not in _TASKS:
        raise unknown_name("task", task, _TASKS)
    if regime not in _REGIMES:
        raise unknown_name("regime", regime, _REGIMES)
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
    for task in _TASKS:
        for regime in _REGIMES:
            if env_id(task, regime) not in gymnasium.registry:
                register_env(task, regime)


def _load(entry: str) -> Any:
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)
