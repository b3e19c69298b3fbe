"""Tasks and regimes by name.

Built-in entries are import strings, so that importing the package loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from atn_gym.errors import InvalidArgument, unknown_name

if TYPE_CHECKING:
    from atn_gym.envs.regimes import Mixture, Regime
    from atn_gym.envs.tasks import Task

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
    "DigitsResidual": "atn_gym.envs.tasks:DIGITS_RESIDUAL",
    "DigitsResidualPoorInit": "atn_gym.envs.tasks:DIGITS_RESIDUAL_POOR_INIT",
    "DigitsResidualUnknownScale": "atn_gym.envs.tasks:DIGITS_RESIDUAL_UNKNOWN_SCALE",
    "DigitsMlp": "atn_gym.envs.tasks:DIGITS_MLP",
    "DigitsMlpPoorInit": "atn_gym.envs.tasks:DIGITS_MLP_POOR_INIT",
    "DigitsMlpUnknownScale": "atn_gym.envs.tasks:DIGITS_MLP_UNKNOWN_SCALE",
    "ModularAddition": "atn_gym.envs.tasks:MODULAR_ADDITION",
    "ModularAdditionPoorInit": "atn_gym.envs.tasks:MODULAR_ADDITION_POOR_INIT",
    "ModularAdditionUnknownScale": "atn_gym.envs.tasks:MODULAR_ADDITION_UNKNOWN_SCALE",
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
        InvalidArgument: If the name is taken, or it is not a `Task`.
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
        InvalidArgument: If the name is taken, or it is not a `Regime` with kinds and `apply`.
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


def _load(entry: str) -> Any:
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)
