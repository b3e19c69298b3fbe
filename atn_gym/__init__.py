"""Online hyperparameter control under non-stationary conditions, as Gymnasium envs.

Importing the package registers every (task, regime) pair; torch is loaded when the
first env is made.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from atn_gym.envs.registry import register_regime, register_task
from atn_gym.registration import env_ids, register_all, register_env

__version__ = "0.1.0"
RESULTS_VERSION = "0.1.0.dev4"
"""The version in which the results of a run last changed.

Every run key depends on it: whoever changes results sets it to the version that will have the
change, and stored runs of before are not taken for new ones.
"""

__all__ = [
    "Evaluation",
    "HyperparameterScheduler",
    "compare",
    "env_ids",
    "evaluate",
    "load_results",
    "register_env",
    "register_regime",
    "register_task",
]

if TYPE_CHECKING:
    from atn_gym.eval.report.data_frames import load_results
    from atn_gym.eval.running.evaluate import evaluate
    from atn_gym.eval.running.evaluation import Evaluation, compare
    from atn_gym.loops.hyperparameter_scheduler import HyperparameterScheduler

_LAZY = {
    "Evaluation": "atn_gym.eval.running.evaluation",
    "HyperparameterScheduler": "atn_gym.loops.hyperparameter_scheduler",
    "compare": "atn_gym.eval.running.evaluation",
    "evaluate": "atn_gym.eval.running.evaluate",
    "load_results": "atn_gym.eval.report.data_frames",
}
"""Modules that load torch or pandas, which importing the package does without."""

register_all()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
