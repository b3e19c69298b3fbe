"""Online hyperparameter control under non-stationary conditions, as Gymnasium envs.

Importing the package registers every (task, regime) pair; torch is loaded when the
first env is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atn_gym.registration import (
    env_ids,
    register_all,
    register_env,
    register_regime,
    register_task,
)

__version__ = "0.1.0"
__all__ = ["env_ids", "evaluate", "register_env", "register_regime", "register_task"]

if TYPE_CHECKING:
    from atn_gym.eval.running.evaluate import evaluate

register_all()


def __getattr__(name: str) -> Any:
    # Evaluation loads torch, which importing the package does without.
    if name == "evaluate":
        from atn_gym.eval.running.evaluate import evaluate

        return evaluate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
