"""Online hyperparameter control under non-stationary conditions, as Gymnasium envs.

Importing the package registers every (task, regime) pair; torch is loaded when the
first env is made.
"""

from atn_gym.registration import (
    env_ids,
    register_all,
    register_env,
    register_regime,
    register_task,
)

__version__ = "0.1.0"
__all__ = ["env_ids", "register_env", "register_regime", "register_task"]

register_all()
