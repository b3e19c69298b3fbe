"""Training engines behind one narrow interface."""

from atn_gym.envs.engines.base import Engine, EpochPlan, EvaluationPlan, TrainResult
from atn_gym.envs.engines.batched_engine import BatchedEngine
from atn_gym.envs.engines.choice import ENGINES, check_measurable, choose_engine
from atn_gym.envs.engines.moment_engine import MomentEngine
from atn_gym.envs.engines.torch_engine import TorchEngine

__all__ = [
    "ENGINES",
    "BatchedEngine",
    "Engine",
    "EpochPlan",
    "EvaluationPlan",
    "MomentEngine",
    "TorchEngine",
    "TrainResult",
    "check_measurable",
    "choose_engine",
]
